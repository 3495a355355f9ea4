/** Something done again and again in the background, until it is told to end. */
import { setTimeout as sleep } from 'node:timers/promises';

export class Loop {
  readonly #turn: () => Promise<void>;
  readonly #pauseMs: number;
  #isEnding = false;
  #running: Promise<void> = Promise.resolve();

  constructor(turn: () => Promise<void>, pauseMs: number) {
    this.#turn = turn;
    this.#pauseMs = pauseMs;
  }

  start(): void {
    this.#isEnding = false;
    this.#running = this.#run();
    this.#running.catch(() => {});
  }

  /** Resolves when the last turn has ended. @throws what a turn has thrown, which ended the loop */
  async stop(): Promise<void> {
    this.#isEnding = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isEnding) {
      await this.#turn();
      await sleep(this.#pauseMs);
    }
  }
}
