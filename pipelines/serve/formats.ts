/** The report's formats as HTTP knows them. */
import { FORMATS, type FormatName } from '../report/report-output.ts';

interface HttpFormat {
  readonly contentType: string;
  readonly extension: string;
  /** Content-Security-Policy, where a browser shows it. */
  readonly policy?: string;
}

/**
 * A page may run what it brings along and nothing else: it asks no server, sends no form, and is of no origin, so that it
 * could not use a login that a browser has here.
 */
const PAGE_POLICY =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts allow-modals";

/** By the names of the command line; `table` is for terminals. */
const HTTP_FORMATS: Readonly<Record<string, HttpFormat>> = {
  json: { contentType: 'application/json; charset=utf-8', extension: 'json' },
  ndjson: { contentType: 'application/x-ndjson; charset=utf-8', extension: 'ndjson' },
  csv: { contentType: 'text/csv; charset=utf-8', extension: 'csv' },
  html: { contentType: 'text/html; charset=utf-8', extension: 'html', policy: PAGE_POLICY },
};

const UNKNOWN: HttpFormat = { contentType: 'application/octet-stream', extension: 'bin' };

export const FORMAT_NAMES = Object.keys(FORMATS).filter((name) =>
  Object.hasOwn(HTTP_FORMATS, name),
) as readonly FormatName[];

export const isFormat = (name: string): name is FormatName => FORMAT_NAMES.some((one) => one === name);

export function contentTypeOf(format: FormatName): string {
  return (HTTP_FORMATS[format] ?? UNKNOWN).contentType;
}

/** Of an answer that is a report. Its name does not tell whose it is: names of files end up in many places. */
export function reportHeaders(format: FormatName): Record<string, string> {
  const { contentType, extension, policy } = HTTP_FORMATS[format] ?? UNKNOWN;
  return {
    'content-type': contentType,
    'content-disposition': `attachment; filename="user-report.${extension}"`,
    ...(policy === undefined ? {} : { 'content-security-policy': policy }),
  };
}
