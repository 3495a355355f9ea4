/** Records of all kinds that come without a pause until a test has seen enough: good ones, copies, late ones and bad ones. */
import type avsc from 'avsc';
import type { TopicRole } from '../../config/topics.ts';
import { frame } from '../../deploy/local/world/encoders.ts';
import { Random } from '../../deploy/local/world/random.ts';
import type { LedgerHarness, Sent } from './ledger-harness.ts';
import { change, definition, delivery, feedback, NOON } from './ledger-values.ts';
import { Loop } from './loop.ts';

const USERS = 40;
const MESSAGES = 400;
const PAUSE_MS = 150;
const HOUR_MS = 3_600_000;

const DELIVERY_TYPES = ['QUEUED', 'SENT', 'DELIVERED', 'BOUNCED'] as const;
const FEEDBACK_TYPES = ['OPENED', 'CLICKED', 'CONVERTED', 'UNSUBSCRIBED'] as const;
const OPS = ['SNAPSHOT', 'PATCH', 'PATCH', 'PATCH', 'PATCH', 'DELETE'] as const;

/** Schemas of producers that are ahead of the others. */
type NewerWriters = Partial<Record<TopicRole, { readonly schemaId: number; readonly type: avsc.Type }>>;

export class SteadyLoad {
  readonly #harness: LedgerHarness;
  readonly #newer: NewerWriters;
  readonly #random: Random;
  readonly #earlier: Record<TopicRole, Sent[]> = {
    definitions: [],
    delivery: [],
    feedback: [],
    profiles: [],
  };
  readonly #loop = new Loop(() => this.#tick(), PAUSE_MS);
  #sent = 0;

  /** @param seed decides what is sent; how much is a matter of time */
  constructor(harness: LedgerHarness, seed: number, { newer = {} }: { newer?: NewerWriters } = {}) {
    this.#harness = harness;
    this.#newer = newer;
    this.#random = new Random(seed, 1);
  }

  get sent(): number {
    return this.#sent;
  }

  start(): void {
    this.#loop.start();
  }

  /** @throws {Error} when Kafka refused a record */
  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** So many records at once, in the proportions of the load. */
  async burst(count: number): Promise<void> {
    await this.#produce('delivery', Math.ceil(count * 0.4));
    await this.#produce('feedback', Math.ceil(count * 0.4));
    await this.#produce('profiles', Math.ceil(count * 0.2));
  }

  async #tick(): Promise<void> {
    await this.burst(20);
    if (this.#random.between(0, 4) === 0) await this.#produce('definitions', 1);
  }

  async #produce(role: TopicRole, count: number): Promise<void> {
    const records = Array.from({ length: count }, () => this.#next(role));
    await this.#harness.produce(role, records);
    this.#sent += count;
  }

  #next(role: TopicRole): Sent {
    const dice = this.#random.between(1, 100);
    const earlier = this.#earlier[role];
    if (dice <= 3) return this.#bad(role, dice);
    const copy = earlier[this.#random.between(0, Math.max(0, earlier.length - 1))];
    if (dice <= 6 && copy !== undefined) return copy;
    const record = this.#good(role);
    earlier[this.#random.between(0, 200)] = record;
    return record;
  }

  #good(role: TopicRole): Sent {
    const id = `${role}-${this.#sent}-${this.#random.between(0, 1_000_000_000)}`;
    const user_id = `u${this.#random.between(0, USERS - 1)}`;
    const value = this.#valueOf(role, { id, user_id });
    const key = `acme/${role === 'definitions' ? id : user_id}`;
    return { key, value: this.#encode(role, value) };
  }

  /** Where there is a newer schema, every second record is under it. */
  #encode(role: TopicRole, value: object): Buffer {
    const newer = this.#newer[role];
    if (newer === undefined || this.#random.between(0, 1) === 0) return this.#harness.encode(role, value);
    return frame(newer.schemaId, newer.type.toBuffer(value));
  }

  #valueOf(role: TopicRole, { id, user_id }: { id: string; user_id: string }): object {
    const at = NOON - this.#random.between(0, 72) * HOUR_MS + this.#random.between(0, 1_000);
    const message = {
      event_id: id,
      user_id,
      message_id: `m-${user_id}-${this.#random.between(0, MESSAGES / USERS)}`,
      occurred_at: at,
    };
    switch (role) {
      case 'definitions':
        return definition({ campaign_id: id, updated_at: at });
      case 'delivery':
        return delivery({ ...message, type: this.#random.pick(DELIVERY_TYPES) });
      case 'feedback':
        return feedback({
          ...message,
          type: this.#random.pick(FEEDBACK_TYPES),
          is_machine: this.#random.between(0, 3) === 0,
        });
      case 'profiles': {
        const op = this.#random.pick(OPS);
        const patch = {
          [`k${this.#random.between(0, 5)}`]: this.#random.between(0, 3) === 0 ? null : id,
          nested: { [`n${at % 3}`]: at },
        };
        const attributes = op === 'DELETE' ? null : JSON.stringify(patch);
        return change({ change_id: id, user_id, op, changed_at: at - (at % 60_000), attributes });
      }
    }
  }

  #bad(role: TopicRole, kind: number): Sent {
    if (kind === 1) return { key: 'acme/u1', value: null };
    const good = this.#good(role).value ?? Buffer.alloc(0);
    return { key: 'acme/u2', value: kind === 2 ? Buffer.from('{"not":"framed"}') : good.subarray(0, -3) };
  }
}
