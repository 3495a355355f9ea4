/** Writes a report in one of its formats, to standard output or into a file. */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import { inPieces } from '../common/pieces.ts';
import type { ReportDocument } from './report.ts';

/** Yields text, piece by piece. */
export type Format = (report: ReportDocument) => Iterable<string>;

export const FORMATS = {
  json: async () => (await import('./format/json.ts')).formatJson,
  ndjson: async () => (await import('./format/json.ts')).formatNdjson,
  csv: async () => (await import('./format/csv.ts')).formatCsv,
  html: async () => (await import('./format/html.ts')).formatHtml,
  table: async () => (await import('./format/table.ts')).formatTable,
} as const satisfies Record<string, () => Promise<Format>>;

export type FormatName = keyof typeof FORMATS;

export interface OutputOptions {
  readonly format: FormatName;
  readonly out?: string;
}

export function withOutputOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--format <format>',
        'how to print it: whole (json), line by line (ndjson, csv), as a page for a browser (html), for a terminal (table)',
      )
        .choices(Object.keys(FORMATS))
        .default('json'),
    )
    .option('--out <file>', 'write to this file instead of standard output');
}

/** A file appears whole under its name or not at all. */
export async function writeOut(chunks: Iterable<string>, out: string | undefined): Promise<void> {
  if (out === undefined) {
    for (const piece of inPieces(chunks)) {
      if (!process.stdout.write(piece)) await new Promise((resolve) => process.stdout.once('drain', resolve));
    }
    return;
  }
  const unfinished = `${out}.${process.pid}.part`;
  try {
    await pipeline(Readable.from(inPieces(chunks)), createWriteStream(unfinished, { flags: 'wx' }));
    await rename(unfinished, out);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw new Error(`--out: cannot write ${out}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
