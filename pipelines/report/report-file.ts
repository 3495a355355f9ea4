/** Reads a report that was written as JSON or NDJSON: what it was asked for, and what each of its records said. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { UsageError } from '../common/errors.ts';
import {
  canonicalJson,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseJson,
} from '../profiles/fold/json-value.ts';
import { headerDigest, ReportDigest } from './digest.ts';
import type { ReportedVersion, ReportRecord } from './report.ts';

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const headerSchema = z.object({
  format: z.literal(1),
  program: z.string(),
  tenant_id: z.string(),
  user_id: z.string(),
  from: time.nullable(),
  to: time.nullable(),
  by: z.enum(['send', 'interaction']),
  known_at: time.nullable(),
  generated_at: time,
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  /** Reports of before it was there have none. */
  header_digest: z.string().optional(),
  pin: z.array(
    z.object({
      topic: z.string().nullable(),
      topic_id: z.string(),
      partition: z.int().min(0),
      next: z.int().min(0),
    }),
  ),
  sources: z.object({ local_only: z.boolean() }),
});

export type WrittenHeader = z.infer<typeof headerSchema>;

export interface WrittenReport {
  readonly header: WrittenHeader;
  /** SHA-256 of each record's canonical JSON, by message id. */
  readonly records: ReadonlyMap<string, string>;
  /** Of each profile version, by `valid_from`. */
  readonly versions: ReadonlyMap<string, string>;
}

/**
 * @throws {UsageError} it is no report, or not one with what it takes to make it again
 * @throws {Error} it says something else than it did when it was written
 */
export async function readReportFile(file: string): Promise<WrittenReport> {
  const written = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${file}: cannot be read: ${error.message}`);
  });
  // A program may have put a byte order mark in front.
  const parts = partsOf(file, written.replace(/^\ufeff/, ''));
  const parsed = headerSchema.safeParse(parts.header);
  if (!parsed.success)
    throw new UsageError(
      `${file} is no report that can be made again: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}. Give one that \`report user\` wrote as JSON or NDJSON`,
    );
  const digest = new ReportDigest();
  for (const record of parts.records) digest.record(record as unknown as ReportRecord);
  for (const version of parts.versions) digest.version(version as unknown as ReportedVersion);
  const { text: found } = digest;
  if (found !== parsed.data.digest)
    throw new Error(
      `${file} was altered after it was written: what stands in it has the digest ${found}, its header says ${parsed.data.digest}`,
    );
  const { header_digest: said } = parsed.data;
  if (said !== undefined && said !== headerDigest(parts.header as JsonObject, parts.today ?? null))
    throw new Error(
      `${file} was altered after it was written: its records and profile versions are as they were, its header ("report") or "profile_today" is not`,
    );
  return {
    header: parsed.data,
    records: new Map(parts.records.map((one) => [String(one.message_id), lineDigest(one)])),
    versions: new Map(parts.versions.map((one) => [String(one.valid_from), lineDigest(one)])),
  };
}

/** Of one record or version. */
export function lineDigest(value: unknown): string {
  return createHash('sha256')
    .update(canonicalJson(value as JsonValue))
    .digest('base64');
}

interface Parts {
  header: JsonValue | undefined;
  today: JsonValue | undefined;
  readonly records: JsonObject[];
  readonly versions: JsonObject[];
}

function partsOf(file: string, text: string): Parts {
  try {
    if (isLines(text)) return linesOf(text);
    const whole = parseJson(text);
    if (!isJsonObject(whole)) throw new Error('it is no object');
    return {
      header: whole.report,
      today: whole.profile_today,
      records: objectsIn(whole.records),
      versions: objectsIn(whole.profile_versions),
    };
  } catch (error) {
    throw new UsageError(`${file} is neither JSON nor NDJSON: ${(error as Error).message}`);
  }
}

/** NDJSON: the first line is an object by itself, and has the header alone. */
function isLines(text: string): boolean {
  const [line = ''] = text.split('\n', 1);
  try {
    const first = parseJson(line);
    return isJsonObject(first) && first.report !== undefined && Object.keys(first).length === 1;
  } catch {
    return false;
  }
}

function linesOf(text: string): Parts {
  const parts: Parts = { header: undefined, today: undefined, records: [], versions: [] };
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const one = parseJson(line) as JsonObject;
    if (one.report !== undefined) parts.header = one.report;
    else if (one.profile_today !== undefined) parts.today = one.profile_today;
    else if (isJsonObject(one.record)) parts.records.push(one.record);
    else if (isJsonObject(one.profile_version)) parts.versions.push(one.profile_version);
  }
  return parts;
}

function objectsIn(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
