/** The stack and directory of a long measurement; gone with everything in it at the end, also at Ctrl-C. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type RunningStack, startStack } from '../../deploy/local/stack/start-stack.ts';

export interface PlaceOptions {
  /** Of the command, for the name of the directory. */
  readonly program: string;
  /** Keep the stack's data here; null: a temporary directory that is removed. */
  readonly data: string | null;
  /** Whether a part that ends by itself is started again; true when left out. */
  readonly restarts?: boolean;
  readonly say: (line: string) => void;
  /** Ends what uses the stack, before the stack is stopped. */
  readonly killUsers: () => void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const EXIT_FAILED = 1;

export class StackPlace implements AsyncDisposable {
  readonly stack: RunningStack;
  readonly #options: PlaceOptions;
  #closed: Promise<void> | undefined;

  private constructor(stack: RunningStack, options: PlaceOptions) {
    this.stack = stack;
    this.#options = options;
  }

  static async open(options: PlaceOptions): Promise<StackPlace> {
    const { program, data, restarts = true, say } = options;
    const dataDir =
      data === null ? await mkdtemp(join(tmpdir(), `campaign-ledger-${program}-`)) : resolve(data);
    say(`starting the local stack in ${dataDir}`);
    // Ctrl-C before it runs: its parts end with this process, and the directory goes with them.
    const discard = () => data === null && rm(dataDir, { recursive: true, force: true });
    const interrupt = () => void Promise.resolve(discard()).finally(() => process.exit(EXIT_FAILED));
    for (const signal of SIGNALS) process.on(signal, interrupt);
    const stack = await startStack({ dataDir, restarts }).catch(async (error: unknown) => {
      await discard();
      throw error;
    });
    for (const signal of SIGNALS) process.off(signal, interrupt);
    const place = new StackPlace(stack, options);
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        say(`\n${signal}: stopping the stack`);
        void place[Symbol.asyncDispose]().finally(() => process.exit(EXIT_FAILED));
      });
    }
    return place;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#options.killUsers();
    await this.stack.stop();
    if (this.#options.data === null) await rm(this.stack.dataDir, { recursive: true, force: true });
  }
}
