/** A hundred days of a small world: messages, what came of them, late events, copies that contradict, profiles that change. */
import { Random } from '../../deploy/local/world/random.ts';
import type { Sent } from './ledger-harness.ts';
import { change, definition, delivery, feedback } from './ledger-values.ts';
import { noonOf } from './past-days.ts';
import type { WholeLedger } from './whole-ledger.ts';

export const DAYS = 100;
const USERS = 40;
const MESSAGES_A_DAY = 40;
/** Of events and changes that come later than they happened, in days. Messages are kept for longer than that. */
const MOST_LATE = 20;
const CAMPAIGNS = ['spring', 'summer', 'autumn'] as const;
/** Events of a day lie within eight hours of its noon. */
const SPREAD_MS = 8 * 3_600_000;

export const userOf = (index: number) => `user-${String(index).padStart(2, '0')}`;
export const ALL_USERS = Array.from({ length: USERS }, (_, index) => userOf(index));

interface Event {
  readonly role: 'delivery' | 'feedback';
  readonly value: { readonly user_id: string } & Record<string, unknown>;
  /** Day on which it reaches Kafka. */
  readonly arrives: number;
}

/** Day 0 is 99 days ago, day 99 today. */
export class HundredDays {
  readonly #ledger: WholeLedger;
  readonly #random: Random;
  readonly #events: Event[] = [];
  readonly #changes: Event['value'][][] = [];

  constructor(ledger: WholeLedger, seed: number) {
    this.#ledger = ledger;
    this.#random = new Random(seed, 0);
    for (let day = 0; day < DAYS; day += 1) {
      this.#changes.push(this.#changesOf(day));
      for (let index = 0; index < MESSAGES_A_DAY; index += 1) this.#message(day, index);
    }
  }

  /** What reached Kafka on these days. */
  async produce(from: number, to: number): Promise<void> {
    const { harness } = this.#ledger;
    const arrived = this.#events.filter(({ arrives }) => arrives >= from && arrives < to);
    for (const role of ['delivery', 'feedback'] as const) {
      const own = arrived.filter((event) => event.role === role);
      await harness.produce(
        role,
        own.map(({ value }) => this.#sent(role, value)),
      );
    }
    await harness.produce(
      'profiles',
      this.#changes.slice(from, to).flatMap((day) => day.map((value) => this.#sent('profiles', value))),
    );
    const campaign_id = CAMPAIGNS[from % CAMPAIGNS.length];
    const value = definition({
      campaign_id,
      name: `${campaign_id} as of ${from}`,
      updated_at: this.#at(from),
    });
    await harness.produce('definitions', [
      { key: `acme/${campaign_id}`, value: harness.encode('definitions', value) },
    ]);
  }

  #sent(role: 'delivery' | 'feedback' | 'profiles', value: Event['value']): Sent {
    return { key: `acme/${value.user_id}`, value: this.#ledger.harness.encode(role, value) };
  }

  #at(day: number): number {
    return noonOf(DAYS - 1 - day) + this.#random.between(-SPREAD_MS, SPREAD_MS);
  }

  #message(day: number, index: number): void {
    const random = this.#random;
    const user_id = userOf(random.between(0, USERS - 1));
    const base = {
      user_id,
      message_id: `m-${day}-${index}`,
      campaign_id: random.pick(CAMPAIGNS),
    };
    this.#event('delivery', day, { ...base, type: 'SENT' });
    if (random.chance(0.9)) this.#event('delivery', day, { ...base, type: 'DELIVERED' });
    for (let opens = random.between(0, 3); opens > 0; opens -= 1)
      this.#event('feedback', day + random.between(0, 10), {
        ...base,
        type: random.pick(['OPENED', 'CLICKED', 'CONVERTED']),
      });
  }

  #event(role: Event['role'], day: number, fields: { user_id: string } & Record<string, unknown>): void {
    if (day >= DAYS - 1) return;
    const random = this.#random;
    const event_id = `e-${this.#events.length}`;
    const make = role === 'delivery' ? delivery : feedback;
    const at = (when: number, more: object = {}) =>
      make({ ...fields, event_id, occurred_at: this.#at(when), ...more }) as Event['value'];
    const late = random.chance(0.1) ? random.between(1, MOST_LATE) : 0;
    const arrives = Math.min(DAYS - 1, day + late);
    this.#events.push({ role, value: at(day), arrives });
    // A copy that says another time, and comes later: it must never count.
    if (random.chance(0.05)) {
      const when = Math.min(DAYS - 2, Math.max(0, day + random.between(-5, 5)));
      const again = Math.min(DAYS - 1, arrives + random.between(1, 10));
      if (again > arrives) this.#events.push({ role, value: at(when), arrives: again });
    }
  }

  #changesOf(day: number): Event['value'][] {
    const random = this.#random;
    return Array.from({ length: 8 }, (_, index) => {
      const user_id = userOf(random.between(0, USERS - 1));
      const about = Math.max(0, day - (random.chance(0.2) ? random.between(1, 60) : 0));
      const op = random.pick(['PATCH', 'PATCH', 'PATCH', 'SNAPSHOT', 'DELETE']);
      return change({
        change_id: random.chance(0.05) && index > 0 ? `c-${day}-${index - 1}` : `c-${day}-${index}`,
        user_id,
        op,
        changed_at: this.#at(about),
        attributes: op === 'DELETE' ? null : JSON.stringify({ [random.pick(['a', 'b', 'c'])]: day }),
      }) as Event['value'];
    });
  }
}
