/** Good records at a steady rate, spread over the partitions, each with an identity of its own: a load for long runs. */
import type { LedgerHarness, Sent } from './ledger-harness.ts';
import { change, delivery, feedback } from './ledger-values.ts';
import { Loop } from './loop.ts';

export type StreamRole = 'delivery' | 'feedback' | 'profiles';

const TICK_MS = 100;
/** Many, so that histories stay as short as they are in life. */
const USERS = 50_000;

export interface StreamOptions {
  readonly roles: readonly StreamRole[];
  /** Records of all roles together. */
  readonly perSecond: number;
  /** Narrows the partitions that it writes to; the key decides when left out. */
  readonly partitionOf?: (role: StreamRole, index: number) => number;
}

export class EventStream {
  readonly #harness: LedgerHarness;
  readonly #options: StreamOptions;
  readonly #loop = new Loop(() => this.#tick(), TICK_MS);
  #sent = 0;
  #begunAt = 0;
  #sentBefore = 0;

  constructor(harness: LedgerHarness, options: StreamOptions) {
    this.#harness = harness;
    this.#options = options;
  }

  get sent(): number {
    return this.#sent;
  }

  start(): void {
    this.#begunAt = performance.now();
    this.#sentBefore = this.#sent;
    this.#loop.start();
  }

  /** Resolves when all that was sent is acknowledged. @throws {Error} when Kafka refused a record */
  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #tick(): Promise<void> {
    const { perSecond, roles } = this.#options;
    const due = Math.floor(((performance.now() - this.#begunAt) / 1_000) * perSecond) + this.#sentBefore;
    // What a slow moment held up is not made up for at once: a burst is another thing.
    const count = Math.min(due - this.#sent, perSecond);
    const share = Math.ceil(count / roles.length);
    for (const role of roles)
      await this.#harness.produce(
        role,
        Array.from({ length: share }, () => this.#next(role)),
      );
  }

  #next(role: StreamRole): Sent & { partition?: number } {
    const index = this.#sent;
    this.#sent += 1;
    const id = `stream-${index}`;
    const user_id = `u${index % USERS}`;
    const partition = this.#options.partitionOf?.(role, index);
    return {
      key: `acme/${user_id}`,
      value: this.#harness.encode(role, fieldsFor(role, { id, user_id })),
      ...(partition === undefined ? {} : { partition }),
    };
  }
}

function fieldsFor(role: StreamRole, { id, user_id }: { id: string; user_id: string }): object {
  const at = Date.now();
  const message = { event_id: id, user_id, message_id: `m-${id}`, occurred_at: at };
  switch (role) {
    case 'delivery':
      return delivery(message);
    case 'feedback':
      return feedback(message);
    case 'profiles':
      return change({ change_id: id, user_id, op: 'PATCH', changed_at: at, attributes: `{"seen":"${id}"}` });
  }
}
