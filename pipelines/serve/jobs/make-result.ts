/** Where a job's report is made: a small one here, a large one in a thread of its own, so that requests need not wait for it. */
import { Worker } from 'node:worker_threads';
import type { Config } from '../../../config/schema.ts';
import { Outage } from '../../common/errors.ts';
import { TooManyEvents } from '../../report/user-report.ts';
import type { Asked, AskedUser } from '../ask/report-ask.ts';
import { Problem, type ProblemCode } from '../problems.ts';
import type { JobProgress } from './job.ts';
import type { MadeResult, ResultTask } from './result-task.ts';
import { type CampaignResultPlace, writeCampaignResult } from './write-campaign-result.ts';
import { type ResultPlace, writeUserResult } from './write-user-result.ts';

/** What the thread is told to make. */
export interface WorkerTask extends ResultTask<AskedUser> {
  readonly config: Config;
}

/** What the thread says. */
export type WorkerMessage =
  | { readonly kind: 'progress'; readonly progress: JobProgress }
  | { readonly kind: 'made'; readonly made: MadeResult }
  | { readonly kind: 'failed'; readonly fault: WorkerFault };

export interface WorkerFault {
  readonly code: ProblemCode;
  readonly detail: string;
  /** Of an outage, which is waited for. */
  readonly outage: { readonly service: string; readonly reason: string } | null;
  /** For the log. */
  readonly stack: string;
}

export interface MakeOptions {
  /** Ends the work; the promise then rejects with the signal's reason. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: JobProgress) => void;
}

export type MakeResult<One extends Asked = Asked> = (
  task: ResultTask<One>,
  options: MakeOptions,
) => Promise<MadeResult>;

/** @param users makes the reports of users */
export function ofEachKind(users: MakeResult<AskedUser>, campaigns: CampaignResultPlace): MakeResult {
  return ({ job, path }, options) =>
    job.kind === 'user'
      ? users({ job, path }, options)
      : writeCampaignResult(campaigns, { job, path }, options);
}

/**
 * As requests are answered, up to as many events: a thread takes longer to start than most reports to be made.
 * @param large for those with more
 */
export function smallOnesHere(
  here: ResultPlace,
  { maxEvents, large }: { readonly maxEvents: number; readonly large: MakeResult<AskedUser> },
): MakeResult<AskedUser> {
  return async (task, options) => {
    try {
      return await writeUserResult(here, task, { ...options, maxEvents });
    } catch (error) {
      if (!(error instanceof TooManyEvents)) throw error;
      return large(task, options);
    }
  };
}

/** MiB. A report keeps to some dozens; a thread that takes more than this ends, and its process goes on. */
const MOST_HEAP_MIB = 1_024;

/** The sources run as they are, and so does what is built of them. */
const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './job-worker.ts' : './job-worker.js',
  import.meta.url,
);

/** Milliseconds. Starting one takes a second or more, and the next job may come soon. */
const IDLE_MS = 60_000;

interface IdleThread {
  readonly worker: Worker;
  readonly timer: NodeJS.Timeout;
  readonly drop: () => void;
}

/** Threads that make one report after the other, and end when there is none for a while. */
export class ReportThreads {
  readonly #config: Config;
  readonly #idle: IdleThread[] = [];

  constructor(config: Config) {
    this.#config = config;
  }

  /**
   * @throws {Outage} to be tried again
   * @throws {Problem} there will be no report
   */
  readonly make: MakeResult<AskedUser> = async (task, { signal, onProgress }) => {
    signal.throwIfAborted();
    const worker = this.#take();
    // A thread that computes hears of nothing: it is ended, and with it whatever it had begun.
    const { promise, resolve, reject } = Promise.withResolvers<MadeResult>();
    const onMessage = (message: WorkerMessage): void => {
      if (message.kind === 'progress') onProgress(message.progress);
      else if (message.kind === 'made') resolve(message.made);
      else reject(errorOf(message.fault));
    };
    const onError = (cause: unknown): void =>
      reject(
        new Problem('internal', 'the report could not be made; the log of the service says more', { cause }),
      );
    const onExit = (): void => reject(new Error('the thread has ended without an answer'));
    const onAbort = (): void => {
      reject(signal.reason);
      void worker.terminate();
    };
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    signal.addEventListener('abort', onAbort, { once: true });
    let isFit = false;
    try {
      worker.postMessage({ ...task, config: this.#config } satisfies WorkerTask);
      const made = await promise;
      isFit = true;
      return made;
    } finally {
      signal.removeEventListener('abort', onAbort);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      // After a failure nobody knows what it has left behind.
      if (isFit) this.#keep(worker);
      else void worker.terminate();
    }
  };

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((thread) => end(thread)));
  }

  #take(): Worker {
    const thread = this.#idle.pop();
    if (thread === undefined) {
      const worker = new Worker(WORKER, { resourceLimits: { maxOldGenerationSizeMb: MOST_HEAP_MIB } });
      // Of one that is on its way out there is nobody else to listen, and an error that nobody hears ends the process.
      return worker.on('error', () => {});
    }
    clearTimeout(thread.timer);
    thread.worker.off('exit', thread.drop);
    thread.worker.ref();
    return thread.worker;
  }

  #keep(worker: Worker): void {
    const drop = (): void => {
      const at = this.#idle.findIndex((one) => one.worker === worker);
      for (const thread of at < 0 ? [] : this.#idle.splice(at, 1)) void end(thread);
    };
    const thread: IdleThread = { worker, timer: setTimeout(drop, IDLE_MS), drop };
    thread.timer.unref();
    worker.unref();
    worker.on('exit', drop);
    this.#idle.push(thread);
  }
}

async function end({ worker, timer }: IdleThread): Promise<void> {
  clearTimeout(timer);
  await worker.terminate();
}

function errorOf({ code, detail, outage, stack }: WorkerFault): Error {
  const cause = Object.assign(new Error(detail), { stack });
  return outage === null
    ? new Problem(code, detail, { cause })
    : new Outage(outage.service, outage.reason, { cause });
}
