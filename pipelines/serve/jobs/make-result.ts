/** Makes a job's report in a thread of its own: a million events keep a processor busy, and requests must not wait for it. */
import { Worker } from 'node:worker_threads';
import type { Config } from '../../../config/schema.ts';
import { Outage } from '../../common/errors.ts';
import { Problem, type ProblemCode } from '../problems.ts';
import type { Job, JobProgress, JobResult } from './job.ts';

/** What the thread is started with. */
export interface WorkerTask {
  readonly config: Config;
  readonly job: Pick<Job, 'tenantId' | 'ask' | 'createdAt'>;
  /** Of the result, without the configured prefix. */
  readonly path: string;
}

/** What the thread says. */
export type WorkerMessage =
  | { readonly kind: 'progress'; readonly progress: JobProgress }
  | { readonly kind: 'made'; readonly result: JobResult; readonly progress: JobProgress }
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
  /** Ends the thread; the promise then rejects with the signal's reason. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: JobProgress) => void;
}

export type Made = Extract<WorkerMessage, { kind: 'made' }>;

export type MakeResult = (task: Omit<WorkerTask, 'config'>, options: MakeOptions) => Promise<Made>;

/** MiB. A report keeps to some dozens; a thread that takes more than this ends, and its process goes on. */
const MOST_HEAP_MIB = 1_024;

/** The sources run as they are, and so does what is built of them. */
const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './job-worker.ts' : './job-worker.js',
  import.meta.url,
);

/**
 * @throws {Outage} to be tried again
 * @throws {Problem} there will be no report
 */
export function inThread(config: Config): MakeResult {
  return async (task, { signal, onProgress }) => {
    signal.throwIfAborted();
    const worker = new Worker(WORKER, {
      workerData: { ...task, config } satisfies WorkerTask,
      resourceLimits: { maxOldGenerationSizeMb: MOST_HEAP_MIB },
    });
    const end = () => void worker.terminate();
    signal.addEventListener('abort', end, { once: true });
    try {
      return await new Promise<Made>((resolve, reject) => {
        worker.on('message', (message: WorkerMessage) => {
          if (message.kind === 'progress') onProgress(message.progress);
          else if (message.kind === 'made') resolve(message);
          else reject(errorOf(message.fault));
        });
        worker.on('error', (cause) =>
          reject(
            new Problem('internal', 'the report could not be made; the log of the service says more', {
              cause,
            }),
          ),
        );
        worker.on('exit', () => reject(signal.reason ?? new Error('the thread has ended without an answer')));
      });
    } finally {
      signal.removeEventListener('abort', end);
      await worker.terminate();
    }
  };
}

function errorOf({ code, detail, outage, stack }: WorkerFault): Error {
  const cause = Object.assign(new Error(detail), { stack });
  return outage === null
    ? new Problem(code, detail, { cause })
    : new Outage(outage.service, outage.reason, { cause });
}
