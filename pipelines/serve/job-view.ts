/** A job as those see it who asked for it. */
import type { Asked } from './ask/report-ask.ts';
import { hasEnded, type Job } from './jobs/job.ts';

/** Without anything of how it is made: whose lease it is, or where its blobs are. */
export function jobView(job: Job): Record<string, unknown> {
  const { id, kind, state, tenantId, result, problem, progress } = job;
  const self = `/v1/reports/${id}`;
  return {
    id,
    kind,
    state,
    tenant_id: tenantId,
    ...askView(job),
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

function askView(asked: Asked): Record<string, unknown> {
  const { from, to, by, format } = asked.ask;
  const range = { from: iso(from), to: iso(to), by };
  if (asked.kind === 'campaign') return { campaign_id: asked.ask.campaignId, ...range, format };
  return { user_id: asked.ask.userId, ...range, known_at: iso(asked.ask.knownAt), format };
}

function iso(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}
