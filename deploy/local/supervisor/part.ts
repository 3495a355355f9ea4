/** One part of the stack: a process that is started, asked whether it works, watched, stopped and, if need be, killed. */
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../../pipelines/common/logger.ts';
import { type Command, launch, signalChild } from './launch.ts';

export interface PartSpec {
  readonly name: string;
  /** What the process prints, both streams; appended to. */
  readonly logFile: string;
  /** Milliseconds from start to the first probe that succeeds. */
  readonly readyTimeoutMs: number;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly stopTimeoutMs: number;
  /** Before each start: whatever must be on disk. */
  prepare?(): Promise<void>;
  command(): Command;
  /** Performs a real operation of the service; throws while that fails. */
  probe(signal: AbortSignal): Promise<void>;
}

export type PartState = 'stopped' | 'starting' | 'ready' | 'failed';

interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves, never rejects, with how it ended. */
  readonly ended: Promise<string>;
}

const PROBE_INTERVAL_MS = 100;
const RESTART_DELAY_MS = { first: 500, most: 10_000 } as const;
const MAX_LOG_BYTES = 16 * 1024 * 1024;
/** After these the process is expected to be gone. */
const FATAL: ReadonlySet<NodeJS.Signals> = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGABRT']);

export interface PartOptions {
  readonly logger: Logger;
  /** Start it again, ever more slowly, when it ends without having been told to. */
  readonly restarts: boolean;
  /** Called whenever there is a new process. */
  readonly onLaunch?: () => void;
}

export class Part {
  readonly spec: PartSpec;
  readonly #logger: Logger;
  readonly #restartsItself: boolean;
  readonly #onLaunch: () => void;
  #running: Running | null = null;
  #state: PartState = 'stopped';
  #starting: { readonly done: Promise<void>; readonly cancel: AbortController } | null = null;
  /** Whether an end that nobody asked for is to be mended. */
  #isWanted = false;

  constructor(spec: PartSpec, { logger, restarts, onLaunch = () => {} }: PartOptions) {
    this.spec = spec;
    this.#onLaunch = onLaunch;
    this.#logger = logger.child({ part: spec.name });
    this.#restartsItself = restarts;
  }

  get state(): PartState {
    return this.#state;
  }

  /** Null while there is no process. */
  get pid(): number | null {
    return this.#running?.pid ?? null;
  }

  /** Resolves when the part has answered. @throws when it ended, or did not answer in time; it does not run then */
  async start(): Promise<void> {
    if (this.#starting === null) {
      const cancel = new AbortController();
      const done = this.#start(cancel.signal).finally(() => {
        this.#starting = null;
      });
      this.#starting = { done, cancel };
    }
    await this.#starting.done;
  }

  /** SIGTERM, and SIGKILL when that is not enough. */
  async stop(): Promise<void> {
    this.#isWanted = false;
    if (this.#starting !== null) {
      this.#starting.cancel.abort(new Error(`${this.spec.name} was stopped before it was ready`));
      await this.#starting.done.catch(() => {});
    }
    const running = this.#running;
    if (running === null) return;
    signalChild(running.pid, 'SIGTERM');
    // A frozen process takes note of a signal only when it is thawed.
    signalChild(running.pid, 'SIGCONT');
    const late = new AbortController();
    await Promise.race([
      running.ended,
      delay(this.spec.stopTimeoutMs, undefined, { signal: late.signal }).catch(() => {}),
    ]);
    late.abort();
    await this.#endNow();
    this.#state = 'stopped';
  }

  /**
   * For tests of faults. After a signal that ends it the part stays down until `start`; resolves when it is gone.
   * Does nothing when there is no process.
   */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (FATAL.has(signal)) this.#isWanted = false;
    const running = this.#running;
    if (running === null) return;
    signalChild(running.pid, signal);
    if (FATAL.has(signal)) await running.ended;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async #start(cancel: AbortSignal): Promise<void> {
    if (this.#running !== null) return;
    this.#state = 'starting';
    try {
      await this.spec.prepare?.();
      cancel.throwIfAborted();
      const running = this.#launch();
      this.#onLaunch();
      await this.#untilReady(running, cancel);
      this.#state = 'ready';
      this.#isWanted = true;
      void running.ended.then((how) => this.#onEnd(how));
    } catch (error) {
      this.#state = 'failed';
      await this.#endNow();
      throw error;
    }
  }

  async #endNow(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    signalChild(running.pid, 'SIGKILL');
    await running.ended;
  }

  #launch(): Running {
    const { logFile } = this.spec;
    keepLogShort(logFile);
    const log = openSync(logFile, 'a');
    const child = launch(this.spec.command(), { logDescriptor: log });
    closeSync(log);
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) =>
        resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`),
      );
    });
    const { pid } = child;
    if (pid === undefined) {
      // The 'error' event that tells why comes in a moment; `ended` has it.
      return { child, pid: 0, ended };
    }
    // The pipe is there to be held open, not to be written to; the child may close its end.
    child.stdin?.on('error', () => {});
    const running = { child, pid, ended };
    this.#running = running;
    void ended.then(() => {
      if (this.#running === running) this.#running = null;
      // What it had started would hold its data directory and port.
      signalChild(pid, 'SIGKILL');
    });
    return running;
  }

  async #untilReady({ ended }: Running, cancel: AbortSignal): Promise<void> {
    const { name, readyTimeoutMs, logFile } = this.spec;
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, cancel, AbortSignal.timeout(readyTimeoutMs)]);
    let lastError: unknown;
    const ready = async () => {
      while (!signal.aborted) {
        try {
          await this.spec.probe(signal);
          return null;
        } catch (error) {
          lastError = error;
        }
        await delay(PROBE_INTERVAL_MS, undefined, { signal }).catch(() => {});
      }
      return `did not answer within ${readyTimeoutMs / 1000} s (${messageOf(lastError)})`;
    };
    const fault = await Promise.race([ready(), ended]);
    over.abort();
    if (fault === null) return;
    cancel.throwIfAborted();
    throw new Error(`${name} did not start: it ${fault}\n${tailOf(logFile)}\nall of its log: ${logFile}`);
  }

  async #onEnd(how: string): Promise<void> {
    if (!this.#isWanted) {
      this.#state = 'stopped';
      return;
    }
    this.#state = 'failed';
    this.#logger.error({ how, log: this.spec.logFile }, `${this.spec.name} ended by itself`);
    let wait: number = RESTART_DELAY_MS.first;
    while (this.#restartsItself && this.#isWanted && this.#running === null) {
      // Nobody waits for this timer: a program whose work is done may end.
      await delay(wait, undefined, { ref: false });
      if (!this.#isWanted) return;
      try {
        await this.start();
        this.#logger.info(`${this.spec.name} runs again`);
      } catch (error) {
        this.#logger.error({ err: error }, `${this.spec.name} could not be started again`);
      }
      wait = Math.min(wait * 2, RESTART_DELAY_MS.most);
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** One file and the one before: a stack that runs for months must not fill the disk with its own talk. */
function keepLogShort(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > MAX_LOG_BYTES) renameSync(file, `${file}.1`);
}

function tailOf(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
}
