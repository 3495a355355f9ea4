/** A job: one report that somebody asked for and does not wait for. As its blob holds it. */
import { createHash, randomBytes } from 'node:crypto';
import type { FormatName } from '../../report/report-output.ts';
import type { Asked } from '../ask/report-ask.ts';
import type { ProblemCode } from '../problems.ts';

export const JOB_STATES = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired'] as const;

export type JobState = (typeof JOB_STATES)[number];

export type Job = JobFacts & Asked;

/** What is the same for every kind of report. Times in milliseconds since the epoch. */
export interface JobFacts {
  readonly v: 1;
  readonly id: string;
  readonly tenantId: string;
  /** The id of the key, or of the token's subject, never the token. */
  readonly askedBy: string;
  readonly state: JobState;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  /** Until then a job that has ended keeps its result, and for as long again its state. Null: it has not ended. */
  readonly expiresAt: number | null;
  /** How often it was begun and not given back. */
  readonly attempt: number;
  readonly lease: { readonly owner: string; readonly until: number } | null;
  readonly progress: JobProgress;
  readonly result: JobResult | null;
  readonly problem: { readonly code: ProblemCode; readonly detail: string } | null;
}

/** Of a campaign's report all is 0 until its end: ClickHouse counts, and says nothing in between. */
export interface JobProgress {
  readonly eventsRead: number;
  readonly records: number;
}

export const NO_PROGRESS: JobProgress = { eventsRead: 0, records: 0 };

export interface JobResult {
  /** Without the configured prefix. */
  readonly path: string;
  readonly format: FormatName;
  readonly bytes: number;
  /** Of the report: `ReportDigest`. Null for a campaign's, which has none. */
  readonly digest: string | null;
}

export const hasEnded = ({ state }: Pick<Job, 'state'>): boolean => state !== 'queued' && state !== 'running';

/** The tenant, so that theirs lie side by side; the time, counted backwards, so that a listing has the newest first; chance. */
const ID = /^[0-9a-f]{16}-[0-9a-f]{12}-[0-9a-f]{32}$/;

const MOST_TIME = 2 ** 48 - 1;

export const isJobId = (text: string): boolean => ID.test(text);

export const tenantMark = (tenantId: string): string =>
  createHash('sha256').update(tenantId).digest('hex').slice(0, 16);

export function newJobId(tenantId: string, now: number): string {
  const time = (MOST_TIME - now).toString(16).padStart(12, '0');
  return `${tenantMark(tenantId)}-${time}-${randomBytes(16).toString('hex')}`;
}

export interface NewJob extends Pick<JobFacts, 'id' | 'tenantId' | 'askedBy'> {
  readonly asked: Asked;
  readonly now: number;
}

export function queuedJob({ id, tenantId, asked, askedBy, now }: NewJob): Job {
  return {
    v: 1,
    id,
    ...asked,
    tenantId,
    askedBy,
    state: 'queued',
    createdAt: now,
    startedAt: null,
    finishedAt: null,
    expiresAt: null,
    attempt: 0,
    lease: null,
    progress: NO_PROGRESS,
    result: null,
    problem: null,
  };
}

/** May be begun: nobody has it, or whoever had it has not been heard of for the time of the lease. */
export function isFree(
  { state, leaseUntil }: Pick<JobSummary, 'state' | 'leaseUntil'>,
  now: number,
): boolean {
  return state === 'queued' || (state === 'running' && (leaseUntil ?? 0) <= now);
}

/** What the listing of jobs says of each. */
export interface JobSummary {
  readonly id: string;
  readonly state: JobState;
  readonly createdAt: number;
  readonly leaseUntil: number | null;
  readonly expiresAt: number | null;
}

/** As metadata of the blob: what one listing of all jobs has to tell. */
export function jobMetadata(job: Job): Record<string, string> {
  return {
    state: job.state,
    created: String(job.createdAt),
    ...(job.lease === null ? {} : { lease: String(job.lease.until) }),
    ...(job.expiresAt === null ? {} : { expires: String(job.expiresAt) }),
  };
}

/** Null for what is none of ours. Azure may change the case of names. */
export function jobSummary(id: string, metadata: Readonly<Record<string, string>> = {}): JobSummary | null {
  const values = new Map(Object.entries(metadata).map(([key, value]) => [key.toLowerCase(), value]));
  const state = JOB_STATES.find((one) => one === values.get('state'));
  const createdAt = Number(values.get('created'));
  if (!isJobId(id) || state === undefined || !Number.isSafeInteger(createdAt)) return null;
  const numberOf = (key: string): number | null => {
    const value = Number(values.get(key));
    return Number.isSafeInteger(value) ? value : null;
  };
  return { id, state, createdAt, leaseUntil: numberOf('lease'), expiresAt: numberOf('expires') };
}
