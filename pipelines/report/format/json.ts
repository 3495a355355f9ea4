/** The report as one JSON document, or as lines of JSON with one kind of object a line. */
import type { UserReport } from '../report.ts';

export function* formatJson(report: UserReport): Generator<string> {
  yield `${JSON.stringify(report, null, 2)}\n`;
}

/** First the header, then the profile versions, then the records: a reader meets every version before the record that names it. */
export function* formatNdjson(report: UserReport): Generator<string> {
  yield `${JSON.stringify({ report: report.report })}\n`;
  for (const version of report.profile_versions) yield `${JSON.stringify({ profile_version: version })}\n`;
  for (const record of report.records) yield `${JSON.stringify({ record })}\n`;
}
