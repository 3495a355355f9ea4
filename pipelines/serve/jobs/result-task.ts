/** A job's report to be made: what is asked for, where it is to lie, and what comes of it. */
import type { Asked } from '../ask/report-ask.ts';
import type { JobFacts, JobProgress, JobResult } from './job.ts';

export interface ResultTask<One extends Asked = Asked> {
  readonly job: Pick<JobFacts, 'tenantId'> & One;
  /** Of the result, without the configured prefix. */
  readonly path: string;
}

export interface MadeResult {
  readonly result: JobResult;
  readonly progress: JobProgress;
}
