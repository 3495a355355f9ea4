/** The most memory that a process had resident, looked at from outside until it ends. */
import { peakRssMb } from '../bench/process-meter.ts';

const LOOK_MS = 500;

export class MemoryWatch implements Disposable {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  #peakMb = 0;

  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** MiB. The kernel keeps the peak: what lies between two looks is not missed. */
  get peakMb(): number {
    this.#look();
    return this.#peakMb;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    try {
      this.#peakMb = peakRssMb(this.#pid) ?? this.#peakMb;
    } catch {
      // It has ended: what was seen before stands.
    }
  }
}
