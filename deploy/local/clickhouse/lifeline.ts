/** A named pipe that the engine reads from for as long as it shall run. */
import { execFile } from 'node:child_process';
import { close, open } from 'node:fs';
import { promisify } from 'node:util';

/**
 * `clickhouse local` ends after its last query. Its last query reads this pipe, so the end of the pipe is the engine's
 * ordinary end: it closes its listeners, finishes what it began and flushes.
 */
export class Lifeline {
  readonly path: string;
  readonly #descriptor: number;

  private constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  static async create(path: string): Promise<Lifeline> {
    await promisify(execFile)('mkfifo', ['-m', '600', path]);
    // Read and write: opening a pipe for writing alone waits until there is a reader.
    return new Lifeline(path, await promisify(open)(path, 'r+'));
  }

  async cut(): Promise<void> {
    await promisify(close)(this.#descriptor);
  }
}
