/** The reports' formats as HTTP knows them. */
import { CAMPAIGN_FORMATS, type CampaignFormatName } from '../campaign-report/formats.ts';
import { FORMATS, type FormatName } from '../report/report-output.ts';
import type { ReportKind } from './ask/report-ask.ts';

interface HttpFormat {
  readonly contentType: string;
  readonly extension: string;
  /** Content-Security-Policy, where a browser shows it. */
  readonly policies?: Readonly<Record<ReportKind, string>>;
}

/**
 * A page may use what it brings along and nothing else: it asks no server, sends no form, and is of no origin, so that it
 * could not use a login that a browser has here. The page of a campaign has no script.
 */
const PAGE_POLICIES = {
  user: "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts allow-modals",
  campaign:
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
} as const;

/** By the names of the command line; `table` is for terminals. */
const HTTP_FORMATS: Readonly<Record<string, HttpFormat>> = {
  json: { contentType: 'application/json; charset=utf-8', extension: 'json' },
  ndjson: { contentType: 'application/x-ndjson; charset=utf-8', extension: 'ndjson' },
  csv: { contentType: 'text/csv; charset=utf-8', extension: 'csv' },
  html: { contentType: 'text/html; charset=utf-8', extension: 'html', policies: PAGE_POLICIES },
};

const UNKNOWN: HttpFormat = { contentType: 'application/octet-stream', extension: 'bin' };

/** By kind of report, the one first that is meant where none is said. */
export const FORMAT_NAMES: {
  readonly user: readonly [FormatName, ...FormatName[]];
  readonly campaign: readonly [CampaignFormatName, ...CampaignFormatName[]];
} = { user: jsonFirst(FORMATS), campaign: jsonFirst(CAMPAIGN_FORMATS) };

function jsonFirst<Name extends string>(
  formats: Readonly<Record<Name | 'json', unknown>>,
): readonly ['json', ...Name[]] {
  const names = Object.keys(formats) as Name[];
  return ['json', ...names.filter((name) => name !== 'json' && Object.hasOwn(HTTP_FORMATS, name))];
}

export function contentTypeOf(format: FormatName): string {
  return (HTTP_FORMATS[format] ?? UNKNOWN).contentType;
}

/** Of an answer that is a report. Its name does not tell whose it is: names of files end up in many places. */
export function reportHeaders(kind: ReportKind, format: FormatName): Record<string, string> {
  const { contentType, extension, policies } = HTTP_FORMATS[format] ?? UNKNOWN;
  return {
    'content-type': contentType,
    'content-disposition': `attachment; filename="${kind}-report.${extension}"`,
    ...(policies === undefined ? {} : { 'content-security-policy': policies[kind] }),
  };
}
