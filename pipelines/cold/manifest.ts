/**
 * What the cold tier holds: one small blob that names, for each month, the list of its files. It alone makes a file
 * count, and it is only ever replaced under the condition that nobody else has done so.
 */
import { z } from 'zod';
import { COLD_VERSION, type FileList } from './file-list.ts';

/** Of one source (`<topic id>/<partition>`), the offset below which rows are in the cold tier. */
export type NextOffsets = Readonly<Record<string, number>>;

const count = z.int().min(0);
const nextOffsets = z.record(z.string(), count);
/** Where a list of files is, and what stands in it in sum. */
const listed = z.object({ list: z.string(), files: count, rows: count, bytes: count });
const day = z.iso.date();

const extent = z.object({
  /** The last day of which all rows below `next` are here; null: none yet. */
  through: day.nullable(),
  next: nextOffsets,
});

/** What is not laid out by months. */
const owned = z.object({
  next: nextOffsets,
  /** An export that was begun, as with events. */
  pending: nextOffsets.nullable().default(null),
  files: listed.nullable(),
  /** Milliseconds: rows before it have been looked at, and what may go has left ClickHouse; null: none ever have. */
  trimmedTo: z.int().nullable().default(null),
});

const manifestSchema = z.object({
  version: z.literal(COLD_VERSION),
  events: extent.extend({
    /** An export that was begun: who takes over does the very same, and leaves no files that nobody knows of. */
    pending: extent.nullable(),
    /** For want of space: the last day that need not stay in ClickHouse, whatever its age. Only grows. */
    evictedThrough: day.nullable().default(null),
    /** The last day that has left ClickHouse, as retention knows; null: none has. Only grows. */
    goneThrough: day.nullable().default(null),
    /** Messages whose last event is of this day or before have been looked at; null: none have. */
    messagesThrough: day.nullable().default(null),
    /** Days that were brought back into ClickHouse, each with the instant until which it stays, milliseconds. */
    held: z.record(day, count).default({}),
    /** By month, `2026-08`. */
    months: z.record(z.string().regex(/^\d{4}-\d{2}$/), listed),
  }),
  profile_changes: owned,
  campaigns: owned,
  /** Files that no list names any more, each with the instant since when that is known, milliseconds. */
  unneeded: z.record(z.string(), count).default({}),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ListedFiles = z.infer<typeof listed>;

export const EMPTY_MANIFEST: Manifest = {
  version: COLD_VERSION,
  events: {
    through: null,
    next: {},
    pending: null,
    evictedThrough: null,
    goneThrough: null,
    messagesThrough: null,
    held: {},
    months: {},
  },
  profile_changes: { next: {}, pending: null, files: null, trimmedTo: null },
  campaigns: { next: {}, pending: null, files: null, trimmedTo: null },
  unneeded: {},
};

/** @throws {Error} it is not one that this release can read */
export function parseManifest(text: string): Manifest {
  const result = manifestSchema.safeParse(JSON.parse(text));
  if (result.success) return result.data;
  throw new Error(z.prettifyError(result.error));
}

/** Keys in order: the same step writes the same text, whoever takes it. */
export function manifestText(manifest: Manifest): string {
  const inOrder = (_key: string, value: unknown): unknown =>
    value === null || typeof value !== 'object' || Array.isArray(value)
      ? value
      : Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify(manifest, inOrder, 1)}\n`;
}

export function summary(path: string, { files }: FileList): ListedFiles {
  return {
    list: path,
    files: files.length,
    rows: files.reduce((sum, { rows }) => sum + rows, 0),
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
