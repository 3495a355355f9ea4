/** Reads a report that was written as JSON or NDJSON: what it was asked for, and whether it is as it was written. */
import { z } from 'zod';
import { UsageError } from '../../common/errors.ts';
import { canonicalJson, type JsonObject, type JsonValue } from '../../profiles/fold/json-value.ts';
import { headerDigest, ReportDigest } from '../digest.ts';
import { CANONICAL, recordPieces } from '../record-pieces.ts';
import type { ReportedVersion } from '../report.ts';
import { PartDigests } from './part-digests.ts';
import { readWrittenParts } from './written-parts.ts';

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

export interface WrittenReport extends Disposable {
  readonly header: WrittenHeader;
  /** With what the file says as `written`. */
  readonly parts: PartDigests;
}

/**
 * Reads it once: it may be a pipe. Holds some of its events at a time, and all profile versions.
 * @throws {UsageError} it is no report, or not one with what it takes to make it again
 * @throws {Error} it says something else than it did when it was written
 */
export async function readReportFile(file: string): Promise<WrittenReport> {
  const parts = new PartDigests();
  try {
    const header = await readInto(parts, file);
    return { header, parts, [Symbol.dispose]: () => parts[Symbol.dispose]() };
  } catch (error) {
    parts[Symbol.dispose]();
    throw error;
  }
}

async function readInto(parts: PartDigests, file: string): Promise<WrittenHeader> {
  let header: JsonValue = null;
  let today: JsonValue = null;
  const versions: JsonObject[] = [];
  const digest = new ReportDigest();
  await readWrittenParts(file, {
    header: (value) => {
      header = value;
    },
    today: (value) => {
      today = value;
    },
    version: (value) => versions.push(value),
    record: (record) =>
      digest.recordText(
        parts.noting('written', 'messages', record.message_id, recordPieces(record, CANONICAL)),
      ),
  });
  for (const version of versions) {
    digest.version(version as unknown as ReportedVersion);
    parts.add('written', 'profile versions', version.valid_from, [canonicalJson(version)]);
  }
  const parsed = headerSchema.safeParse(header);
  if (!parsed.success)
    throw new UsageError(
      `${file} is no report that can be made again: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}. Give one that \`report user\` wrote as JSON or NDJSON`,
    );
  const { text: found } = digest;
  if (found !== parsed.data.digest)
    throw new Error(
      `${file} was altered after it was written: what stands in it has the digest ${found}, its header says ${parsed.data.digest}`,
    );
  const { header_digest: said } = parsed.data;
  if (said !== undefined && said !== headerDigest(header as unknown as JsonObject, today))
    throw new Error(
      `${file} was altered after it was written: its records and profile versions are as they were, its header ("report") or "profile_today" is not`,
    );
  return parsed.data;
}
