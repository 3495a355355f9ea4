/** A job as those see it who asked for it. */
import { hasEnded, type Job } from './jobs/job.ts';

/** Without anything of how it is made: whose lease it is, or where its blobs are. */
export function jobView(job: Job): Record<string, unknown> {
  const { id, kind, state, ask, result, problem, progress } = job;
  const self = `/v1/reports/${id}`;
  return {
    id,
    kind,
    state,
    tenant_id: job.tenantId,
    user_id: ask.userId,
    from: iso(ask.from),
    to: iso(ask.to),
    by: ask.by,
    known_at: iso(ask.knownAt),
    format: ask.format,
    created_at: iso(job.createdAt),
    started_at: iso(job.startedAt),
    finished_at: iso(job.finishedAt),
    expires_at: hasEnded(job) && state !== 'expired' ? iso(job.expiresAt) : null,
    progress: { events_read: progress.eventsRead, records: progress.records },
    result: result === null ? null : { href: `${self}/result`, bytes: result.bytes, digest: result.digest },
    problem,
    href: self,
  };
}

function iso(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}
