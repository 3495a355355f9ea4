/** A plan, and what a run did, for programs. Field names are an outside face. */
import type { Config } from '../../config/schema.ts';
import type { Look } from './look.ts';
import { localHorizon } from './plan.ts';
import { reasonsOf, setBackText } from './reasons.ts';
import type { RetentionResult } from './run.ts';

type Settings = Pick<Config, 'retention'>;

export function planJson({ plan, sources, now, manifest }: Look, { retention }: Settings): object {
  const { events } = manifest;
  return {
    at: new Date(now).toISOString(),
    local_from: isoOrNull(localHorizon(events, retention.tracking.ttlDays, now)),
    bytes: plan.bytes,
    bytes_after: plan.bytesAfter,
    max_bytes: plan.maxBytes,
    over_bytes: plan.overBytes,
    ttl_days: retention.tracking.ttlDays,
    exported_through: events.through,
    evicted_through: events.evictedThrough,
    export_unfinished: events.pending !== null,
    clickhouse_behind: setBackText(sources),
    held: Object.fromEntries(
      Object.entries(events.held).map(([day, until]) => [day, new Date(until).toISOString()]),
    ),
    cold: Object.entries(events.months).map(([month, { files, rows, bytes }]) => ({
      month,
      files,
      rows,
      bytes,
    })),
    days: plan.days.map((day) => ({
      day: day.day,
      rows: day.rows,
      bytes: day.bytes,
      cause: day.cause,
      kept: reasonsOf(day, sources).map(({ code, text }) => ({ code, text })),
    })),
    sources: sources.map(({ topic, topicId, partition, archived, written, damage }) => ({
      topic,
      topic_id: topicId,
      partition,
      archived,
      written,
      damage: damage?.message ?? null,
    })),
  };
}

export function resultJson(result: RetentionResult, settings: Settings): object {
  const { look, held, exported, rowsGone, messagesGone, usersTrimmed, filesRemoved, bytes } = result;
  return {
    ...planJson({ ...look, manifest: held.manifest }, settings),
    exported_rows: exported.rows,
    exported_files: exported.files,
    rows_gone: rowsGone,
    messages_gone: messagesGone,
    users_trimmed: usersTrimmed,
    files_removed: filesRemoved,
    bytes,
  };
}

function isoOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}
