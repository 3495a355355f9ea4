/** Since when messages are complete: those whose last event is older than retention.messages.ttlDays leave ClickHouse. */
import type { Config } from '../../config/schema.ts';
import { ColdStore } from '../cold/cold-store.ts';
import { createContainer } from '../common/blob/container.ts';
import { DAY_MS, startOf } from '../retention/days.ts';
import { lastExpiredDay } from '../retention/plan.ts';

/** The report waits no longer for this one answer. */
const BLOB_TIMEOUT_MS = 5_000;

/**
 * As retention has noted it; where Blob cannot be asked, as the configuration would have it by now.
 * @returns milliseconds; null: nothing has left
 */
export async function readKeptSince(config: Config, now: number): Promise<number | null> {
  const last = await readLastGone(config).catch(() => lastExpiredDay(config.retention.messages.ttlDays, now));
  return last === null ? null : startOf(last) + DAY_MS;
}

async function readLastGone({ blob }: Config): Promise<string | null> {
  const container = createContainer({ blob: { ...blob, requestTimeoutMs: BLOB_TIMEOUT_MS } });
  const { manifest } = await new ColdStore(container, blob.prefix).readManifest();
  return manifest.events.messagesThrough;
}

/** All in milliseconds. */
export interface Completeness {
  readonly keptSince: number | null;
  /** Where the range begins; null: it is open. */
  readonly from: number | null;
  /** When the earliest message was sent that is there; null: none is. */
  readonly firstSentAt: number | null;
  /** When the campaign was first heard of, or was to begin; null: no definition has arrived. */
  readonly begunAt: number | null;
}

/** @returns whether messages may be lacking; null: nobody can say, as nothing tells when the campaign began. Pure. */
export function isPartial({ keptSince, from, firstSentAt, begunAt }: Completeness): boolean | null {
  if (keptSince === null || (from !== null && from >= keptSince)) return false;
  const earliest = Math.min(firstSentAt ?? Number.POSITIVE_INFINITY, begunAt ?? Number.POSITIVE_INFINITY);
  if (earliest < keptSince) return true;
  return begunAt === null ? null : false;
}
