/** The reading loop: one call of the client at a time, changes of position between two, a pause when memory is full. */
import type kafka from '@confluentinc/kafka-javascript';
import type { ConsumeResult } from './consumer.ts';
import { NO_REPLAY } from './partition.ts';
import type { RunnerParts } from './parts.ts';

/** Records a call; more does not go faster (measured). */
const MOST_RECORDS = 1_000;
/** Bytes that one call should bring at most: of large records it takes fewer. */
const CALL_BYTES = 4 * 1024 * 1024;

export interface ReaderOptions {
  readonly parts: RunnerParts;
  readonly failed: (error: kafka.LibrdKafkaError) => void;
}

export class Reader {
  readonly #options: ReaderOptions;
  #most = MOST_RECORDS;
  #isDraining = false;
  #isStopped = false;
  #fullSince: number | null = null;
  #isPaused = false;
  #heldBackUntil = Number.NEGATIVE_INFINITY;
  #wake: (() => void) | null = null;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  /** Monotonic milliseconds at which memory was last full: until then nobody can be said to stand still. */
  get heldBackUntil(): number {
    return this.#heldBackUntil;
  }

  /** Reads until `stop`. */
  async run(): Promise<void> {
    const { consumer, changes, flusher } = this.#options.parts;
    let ahead: Promise<ConsumeResult> | null = null;
    while (!this.#isStopped || ahead !== null) {
      if (ahead === null) {
        changes.apply();
        if (await this.#waitedForRoom()) continue;
      }
      const result: ConsumeResult = await (ahead ?? consumer.consume(this.#most));
      this.#gather(result);
      // The client collects the next records in its own thread while these are written.
      const goesOn = result.records.length > 0 && changes.isEmpty && !this.#isFull && !this.#isStopped;
      ahead = goesOn ? consumer.consume(this.#most) : null;
      flusher.flush();
      if (result.records.length === 0 && !this.#isStopped) await consumer.waitForMore();
    }
  }

  /** Something has changed that the loop waits for. */
  wake(): void {
    this.#wake?.();
    this.#options.parts.consumer.nudge();
  }

  /** Reads no more records, but answers the group. */
  drain(): void {
    this.#isDraining = true;
    this.wake();
  }

  stop(): void {
    this.#isStopped = true;
    this.wake();
  }

  get #isFull(): boolean {
    const { gatherer, limits } = this.#options.parts;
    return this.#isDraining || gatherer.bufferedBytes >= limits.maxBufferedBytes;
  }

  #gather({ records, ends, error }: ConsumeResult): void {
    const { gatherer, metrics, pipeline } = this.#options.parts;
    if (records.length > 0) {
      const before = gatherer.gatheredBytes;
      gatherer.gather(records, performance.now());
      const average = (gatherer.gatheredBytes - before) / records.length;
      this.#most = Math.max(1, Math.min(MOST_RECORDS, Math.floor(CALL_BYTES / (average + 1))));
      metrics.bufferedBytes.set({ pipeline: pipeline.name }, gatherer.bufferedBytes + gatherer.replayBytes);
    }
    for (const end of ends) gatherer.reachedEnd(end);
    if (error !== null) this.#options.failed(error);
  }

  /**
   * While memory is full nothing is read: for a moment by not calling the client at all, which keeps what it has
   * fetched; after that with all partitions paused, so that the group is answered for as long as an outage lasts.
   * @returns true when it has waited, and the loop should look again
   */
  async #waitedForRoom(): Promise<boolean> {
    if (!this.#isFull) {
      this.#fullSince = null;
      if (this.#isPaused) this.#resume();
      return false;
    }
    this.#heldBackUntil = performance.now();
    this.#fullSince ??= performance.now();
    const { timing } = this.#options.parts;
    const waitMs = this.#isDraining ? 0 : timing.pauseAfterMs - (performance.now() - this.#fullSince);
    if (waitMs <= 0) {
      // Also when paused already: what was assigned since is paused too.
      this.#pause();
      return false;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
    return true;
  }

  /** Not what an intent dictates: its batch must be whole before anything can be written, and memory be freed. */
  #pause(): void {
    const { consumer, assignment, metrics, pipeline } = this.#options.parts;
    const paused = assignment.all.filter(
      ({ phase, replayLast }) => phase === 'reading' && (this.#isDraining || replayLast === NO_REPLAY),
    );
    consumer.pause(paused);
    this.#isPaused = true;
    metrics.pausedPartitions.set({ pipeline: pipeline.name }, paused.length);
  }

  #resume(): void {
    const { consumer, assignment, metrics, pipeline } = this.#options.parts;
    consumer.resume(assignment.all.filter(({ phase }) => phase === 'reading'));
    this.#isPaused = false;
    metrics.pausedPartitions.set({ pipeline: pipeline.name }, 0);
  }
}
