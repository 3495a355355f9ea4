/** Takes jobs out of the queue that all processes share, has them made, and looks after what has ended. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Config } from '../../../config/schema.ts';
import { isLimit } from '../../common/clickhouse/errors.ts';
import type { Clock } from '../../common/clock.ts';
import { Outage } from '../../common/errors.ts';
import { faultPoint } from '../../common/fault-points.ts';
import type { Logger } from '../../common/logger.ts';
import { retryOutage } from '../../common/retry.ts';
import { problemOf } from '../problem-of.ts';
import { Problem } from '../problems.ts';
import type { ServeMetrics } from '../serve-metrics.ts';
import {
  hasEnded,
  isFree,
  type Job,
  type JobFacts,
  type JobProgress,
  type JobSummary,
  NO_PROGRESS,
} from './job.ts';
import { type HeldJob, type JobStore, resultPath } from './job-store.ts';
import type { MakeResult } from './make-result.ts';

export interface JobRunnerOptions {
  readonly config: Pick<Config, 'serve' | 'retry'>;
  readonly store: JobStore;
  readonly make: MakeResult;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ServeMetrics;
}

/** The job was cancelled, or another process has it now. */
class JobLost extends Error {
  override readonly name = 'JobLost';
}

/** This process is about to end. */
class Draining extends Error {
  override readonly name = 'Draining';
}

/** So often a job is begun whose process then was not heard of any more: it may be the job that ends them. */
const MOST_ATTEMPTS = 5;
/** So often ClickHouse may say that a question takes too much: then it is the question, and its place is free for others. */
const MOST_REFUSALS = 5;
/** Of the lease, from one sign of life to the next: two may be lost. */
const RENEW_SHARE = 1 / 3;
const FORGET_EVERY_MS = 600_000;

interface Running {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

export class JobRunner {
  readonly #options: JobRunnerOptions;
  readonly #owner = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  readonly #running = new Map<string, Running>();
  readonly #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};
  #isNudged = false;
  #waiting = 0;
  #outage: Outage | null = null;
  #forgottenAt = Number.NEGATIVE_INFINITY;

  constructor(options: JobRunnerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#lookAgainAndAgain();
  }

  /** Jobs that nobody has begun, as of the last look and what was asked for here since. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Why nothing is taken on at the moment; null when all is well. */
  get outage(): Outage | null {
    return this.#outage;
  }

  /** There is a new job. */
  nudge(): void {
    this.#waiting += 1;
    this.#lookSoon();
  }

  /** Ends the work on it at once, where it is done here. */
  cancelled(id: string): void {
    this.#running.get(id)?.abort.abort(new JobLost(`${id} was cancelled`));
  }

  /** What is under way is given back, for another process to begin anew. */
  async close(): Promise<void> {
    this.#stopping.abort(new Draining());
    this.#wake();
    for (const { abort } of this.#running.values()) abort.abort(new Draining());
    await this.#loop;
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  #lookSoon(): void {
    this.#isNudged = true;
    this.#wake();
  }

  async #lookAgainAndAgain(): Promise<void> {
    const { signal } = this.#stopping;
    const { logger, config, metrics } = this.#options;
    while (!signal.aborted) {
      this.#isNudged = false;
      await retryOutage(() => this.look(), {
        ...{ retry: config.retry, signal, logger, what: 'the queue of reports' },
        onOutage: (outage) => {
          this.#outage = outage;
          metrics.outages.inc({ service: outage.service });
        },
      }).catch((error: unknown) => {
        if (!signal.aborted) logger.error({ err: error }, 'the queue of reports cannot be looked at');
      });
      await this.#pause(config.serve.jobs.pollMs);
    }
  }

  #pause(milliseconds: number): Promise<void> {
    if (this.#isNudged || this.#stopping.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Once over all jobs: begins those that are free, as many as there are hands, and clears away those that are over. */
  async look(): Promise<void> {
    const { store, clock, metrics, config } = this.#options;
    const now = clock.now();
    const free: JobSummary[] = [];
    const over: JobSummary[] = [];
    const counts = { queued: 0, running: 0 };
    for await (const summary of store.summaries()) {
      const { id, state, expiresAt } = summary;
      if (state === 'queued' || state === 'running') counts[state] += 1;
      if (isFree(summary, now) && !this.#running.has(id)) free.push(summary);
      if (expiresAt !== null && expiresAt <= now) over.push(summary);
    }
    this.#outage = null;
    this.#waiting = counts.queued;
    for (const state of ['queued', 'running'] as const) metrics.jobs.set({ state }, counts[state]);
    free.sort((a, b) => a.createdAt - b.createdAt);
    for (const { id } of free) {
      if (this.#running.size >= config.serve.jobs.maxConcurrent || this.#stopping.signal.aborted) break;
      await this.#apart(id, () => this.#claim(id));
    }
    for (const { id } of over) await this.#apart(id, () => this.#clear(id));
    await this.#forget(now);
  }

  /** One blob that cannot be read must not keep the others waiting. */
  async #apart(id: string, work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => {
      if (error instanceof Outage) throw error;
      this.#options.logger.error({ err: error, job: id }, 'a report cannot be looked after');
    });
  }

  async #claim(id: string): Promise<void> {
    const { store, clock, logger, config } = this.#options;
    const found = await store.read(id);
    const now = clock.now();
    if (found === null) return;
    const { job } = found;
    if (!isFree({ state: job.state, leaseUntil: job.lease?.until ?? null }, now)) return;
    if (job.attempt >= MOST_ATTEMPTS) {
      const detail = `it was begun ${job.attempt} times, and each time its process was not heard of any more`;
      await store.replace(
        found,
        this.#ended(job, { state: 'failed', problem: { code: 'internal', detail } }),
      );
      logger.error({ job: id, attempts: job.attempt }, 'a report is given up');
      return;
    }
    const begun: Job = {
      ...job,
      state: 'running',
      startedAt: now,
      attempt: job.attempt + 1,
      lease: { owner: this.#owner, until: now + config.serve.jobs.leaseMs },
      progress: NO_PROGRESS,
    };
    const held = await store.replace(found, begun);
    if (held === null) return;
    if (job.state === 'queued') this.#waiting = Math.max(0, this.#waiting - 1);
    logger.info({ job: id, attempt: begun.attempt }, 'a report is begun');
    const abort = new AbortController();
    const ended = this.#run(held, abort)
      .catch((error: unknown) => {
        if (!(error instanceof Draining)) logger.error({ err: error, job: id }, 'a report was left as it is');
      })
      .finally(() => {
        this.#running.delete(id);
        this.#lookSoon();
      });
    this.#running.set(id, { abort, ended });
  }

  async #run(claimed: HeldJob, abort: AbortController): Promise<void> {
    const { store, make, clock, logger, metrics, config } = this.#options;
    const { signal } = abort;
    const { job } = claimed;
    const { id, attempt } = job;
    const held = new HeldLease(claimed, { ...this.#options, abort });
    const began = clock.now();
    metrics.running.inc({ how: 'job' });
    const onProgress = (progress: JobProgress): void => {
      held.progress = progress;
      faultPoint('report-progress', 'serve');
    };
    let ended: Outcome;
    let refusals = 0;
    try {
      const { result, progress } = await retryOutage(
        () => {
          if (refusals >= MOST_REFUSALS) throw new Problem('too_large', TOO_MUCH_TO_COUNT);
          const path = resultPath({ id, attempt }, randomUUID());
          return make({ job, path }, { signal, onProgress });
        },
        {
          ...{ retry: config.retry, signal, logger: logger.child({ job: id }), what: 'a report' },
          onOutage: (outage) => {
            refusals = isLimit(outage) ? refusals + 1 : 0;
            metrics.outages.inc({ service: outage.service });
          },
        },
      );
      faultPoint('report-made', 'serve');
      ended = { state: 'succeeded', result, progress };
    } catch (error) {
      if (signal.aborted) ended = { state: 'queued' };
      else {
        const { code, message: detail } = problemOf(error);
        ended = { state: 'failed', problem: { code, detail } };
        if (!(error instanceof Problem) || error.code === 'internal' || error.code === 'damaged')
          logger.error(
            { err: error instanceof Problem ? (error.cause ?? error) : error, job: id },
            'a report failed',
          );
      }
    } finally {
      metrics.running.dec({ how: 'job' });
      await held.stop();
    }
    if (signal.reason instanceof Draining && ended.state === 'queued') return this.#giveBack(held.current);
    const isOurs =
      !(signal.reason instanceof JobLost) &&
      (await this.#patiently(() => store.replace(held.current, this.#ended(held.current.job, ended)))) !==
        null;
    if (!isOurs) {
      logger.info({ job: id, attempt }, 'a report was cancelled, or is another process’s now');
      await this.#patiently(() => store.removeResults(id, attempt));
      return;
    }
    const outcome = ended.state === 'succeeded' ? 'ok' : (ended.problem?.code ?? 'internal');
    metrics.reports.inc({ how: 'job', outcome });
    metrics.reportSeconds.observe({ how: 'job' }, (clock.now() - began) / 1_000);
    logger.info({ job: id, attempt, outcome }, 'a report has ended');
  }

  #ended(job: Job, outcome: Outcome): Job {
    const { clock, config } = this.#options;
    return endedJob(job, outcome, { now: clock.now(), keptHours: config.serve.jobs.expireAfterHours });
  }

  #patiently<T>(attempt: () => Promise<T>): Promise<T> {
    const { config, logger } = this.#options;
    const { signal } = this.#stopping;
    // There is no time left to wait for anything, but mostly nothing has to be waited for.
    if (signal.aborted) return attempt();
    return retryOutage(attempt, { retry: config.retry, signal, logger, what: 'the end of a report' });
  }

  /** Where Blob does not hear of it now, the lease runs out. */
  async #giveBack(held: HeldJob): Promise<void> {
    const { job } = held;
    const attempt = Math.max(0, job.attempt - 1);
    const free: Job = { ...job, state: 'queued', attempt, lease: null, progress: NO_PROGRESS };
    await this.#options.store.replace(held, free).catch(() => null);
    this.#options.logger.info({ job: job.id }, 'a report is given back to the queue');
  }

  /** First the result goes, later the job. */
  async #clear(id: string): Promise<void> {
    const { store, clock, config } = this.#options;
    const found = await store.read(id);
    const now = clock.now();
    if (found === null || !hasEnded(found.job) || (found.job.expiresAt ?? now) > now) return;
    if (found.job.state === 'expired') {
      await store.remove(id);
      return;
    }
    await store.removeResults(id);
    const keptMs = config.serve.jobs.expireAfterHours * HOUR_MS;
    await store.replace(found, { ...found.job, state: 'expired', result: null, expiresAt: now + keptMs });
  }

  async #forget(now: number): Promise<void> {
    const { store, config } = this.#options;
    if (now - this.#forgottenAt < FORGET_EVERY_MS) return;
    await store.forgetBefore(now - config.serve.jobs.expireAfterHours * HOUR_MS);
    this.#forgottenAt = now;
  }
}

const TOO_MUCH_TO_COUNT = `ClickHouse refused it ${MOST_REFUSALS} times, as it takes more memory or time than a question may there: ask for a shorter range, or have the limits raised`;

/** What a job comes to. */
type Outcome = Partial<JobFacts> & Pick<JobFacts, 'state'>;

export const HOUR_MS = 3_600_000;

export function endedJob(
  job: Job,
  outcome: Outcome,
  { now, keptHours }: { readonly now: number; readonly keptHours: number },
): Job {
  return { ...job, ...outcome, lease: null, finishedAt: now, expiresAt: now + keptHours * HOUR_MS };
}

interface LeaseOptions extends Pick<JobRunnerOptions, 'store' | 'clock' | 'config'> {
  readonly abort: AbortController;
}

/** Tells all others that the job is in hands, as long as it is; and hears when it is not any more. */
class HeldLease {
  current: HeldJob;
  progress: JobProgress;
  readonly #options: LeaseOptions;
  readonly #timer: NodeJS.Timeout;
  #renewal: Promise<void> | null = null;

  constructor(held: HeldJob, options: LeaseOptions) {
    this.current = held;
    this.progress = held.job.progress;
    this.#options = options;
    this.#timer = setInterval(() => {
      this.#renewal ??= this.#renew().finally(() => {
        this.#renewal = null;
      });
    }, options.config.serve.jobs.leaseMs * RENEW_SHARE);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewal;
  }

  async #renew(): Promise<void> {
    const { store, clock, config, abort } = this.#options;
    const { job } = this.current;
    const lease = job.lease ?? { owner: '', until: 0 };
    try {
      const until = clock.now() + config.serve.jobs.leaseMs;
      const held = await store.replace(this.current, {
        ...job,
        lease: { ...lease, until },
        progress: this.progress,
      });
      if (held === null) abort.abort(new JobLost(`${job.id} was cancelled or taken over`));
      else this.current = held;
    } catch (error) {
      // An answer that never came proves nothing, until others may take the job.
      const isOver = !(error instanceof Outage) || clock.now() >= lease.until;
      if (isOver) abort.abort(new JobLost(`${job.id} could not be held`));
    }
  }
}
