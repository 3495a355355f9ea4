/** The report as one JSON document, or as lines of JSON with one kind of object a line. Holds one record at a time. */
import type { ReportDocument } from '../report.ts';

/** As `JSON.stringify(report, null, 2)` of the whole would write it. */
export function* formatJson(report: ReportDocument): Generator<string> {
  yield `{\n  "report": ${indented(report.header)},\n  "records": `;
  yield* list(report.records());
  yield ',\n  "profile_versions": ';
  yield* list(report.versions);
  yield `,\n  "profile_today": ${indented(report.today)}\n}\n`;
}

function* list(items: Iterable<unknown>): Generator<string> {
  let count = 0;
  for (const item of items) {
    yield `${count === 0 ? '[' : ','}\n    ${indented(item, 4)}`;
    count += 1;
  }
  yield count === 0 ? '[]' : '\n  ]';
}

/** Text within strings has no line ends of its own: JSON escapes them. */
function indented(value: unknown, by = 2): string {
  return JSON.stringify(value, null, 2).replaceAll('\n', `\n${' '.repeat(by)}`);
}

/** First the header, then the profile versions, then the records: a reader meets every version before the record that names it. */
export function* formatNdjson(report: ReportDocument): Generator<string> {
  yield `${JSON.stringify({ report: report.header })}\n`;
  for (const version of report.versions) yield `${JSON.stringify({ profile_version: version })}\n`;
  yield `${JSON.stringify({ profile_today: report.today })}\n`;
  for (const record of report.records()) yield `${JSON.stringify({ record })}\n`;
}
