/** Good records at a steady rate, spread over the partitions, each with an identity of its own: a load for long runs. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LedgerHarness, Sent } from './ledger-harness.ts';
import { change, delivery, feedback } from './ledger-values.ts';

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
  #sent = 0;
  #isEnding = false;
  #running: Promise<void> = Promise.resolve();

  constructor(harness: LedgerHarness, options: StreamOptions) {
    this.#harness = harness;
    this.#options = options;
  }

  get sent(): number {
    return this.#sent;
  }

  start(): void {
    this.#isEnding = false;
    this.#running = this.#run();
    this.#running.catch(() => {});
  }

  /** Resolves when all that was sent is acknowledged. @throws {Error} when Kafka refused a record */
  async stop(): Promise<void> {
    this.#isEnding = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const begun = performance.now();
    const before = this.#sent;
    while (!this.#isEnding) {
      const due = Math.floor(((performance.now() - begun) / 1_000) * this.#options.perSecond) + before;
      // What a slow moment held up is not made up for at once: a burst is another thing.
      const count = Math.min(due - this.#sent, this.#options.perSecond);
      for (const role of this.#options.roles) {
        const share = Math.ceil(count / this.#options.roles.length);
        await this.#harness.produce(
          role,
          Array.from({ length: share }, () => this.#next(role)),
        );
      }
      await sleep(TICK_MS);
    }
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
