/** How long it takes until what stands in Kafka is stored: by the broker's own word, whoever stores it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PipelineName } from '../../config/schema.ts';
import type { WholeLedger } from '../helpers/whole-ledger.ts';

const LOOK_MS = 250;

interface Mark {
  readonly offset: number;
  readonly atMs: number;
}

/** The end of a partition is noted, and again when the group has committed that far: the time between is the delay. */
export class DelayWatch {
  readonly #ledger: WholeLedger;
  readonly #pipeline: PipelineName;
  readonly #isWatched: (partition: string) => boolean;
  readonly #waiting = new Map<string, Mark[]>();
  #worstMs = 0;
  #isEnding = false;
  #running: Promise<void> = Promise.resolve();

  /** @param isWatched of `<topic>/<partition>` */
  constructor(
    ledger: WholeLedger,
    {
      pipeline,
      isWatched = () => true,
    }: { pipeline: PipelineName; isWatched?: (partition: string) => boolean },
  ) {
    this.#ledger = ledger;
    this.#pipeline = pipeline;
    this.#isWatched = isWatched;
  }

  start(): void {
    this.#running = this.#run();
    this.#running.catch(() => {});
  }

  /** Seconds, of what has been stored or still waits since the last call. */
  takeWorst(): number {
    const now = performance.now();
    const waiting = [...this.#waiting.values()].flatMap(([oldest]) =>
      oldest === undefined ? [] : [now - oldest.atMs],
    );
    const worst = Math.max(this.#worstMs, ...waiting);
    this.#worstMs = 0;
    return worst / 1_000;
  }

  async stop(): Promise<void> {
    this.#isEnding = true;
    await this.#running.catch(() => {});
  }

  async #run(): Promise<void> {
    while (!this.#isEnding) {
      // Kafka may be away for a moment: then nothing is stored either, and the marks wait.
      await this.#look().catch(() => {});
      await sleep(LOOK_MS);
    }
  }

  async #look(): Promise<void> {
    const ends = await this.#ledger.ends(this.#pipeline);
    const now = performance.now();
    for (const [partition, offset] of ends) {
      if (!this.#isWatched(partition)) continue;
      const marks = this.#waiting.get(partition) ?? [];
      this.#waiting.set(partition, marks);
      marks.push({ offset, atMs: now });
    }
    const committed = await this.#ledger.committed(this.#pipeline);
    const seenAt = performance.now();
    for (const [partition, marks] of this.#waiting) {
      const to = committed.get(partition) ?? 0;
      for (let [first] = marks; first !== undefined && first.offset <= to; [first] = marks) {
        this.#worstMs = Math.max(this.#worstMs, seenAt - first.atMs);
        marks.shift();
      }
    }
  }
}
