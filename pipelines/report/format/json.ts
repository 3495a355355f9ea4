/** The report as one JSON document, or as lines of JSON with one kind of object a line. Of a record with many entries it holds one. */
import { COMPACT, INDENTED, listPieces, recordPieces } from '../record-pieces.ts';
import type { ReportDocument } from '../report.ts';

/** As `JSON.stringify(report, null, 2)` of the whole would write it. */
export function* formatJson(report: ReportDocument): Generator<string> {
  yield `{\n  "report": ${INDENTED.textOf(report.header, 1)},\n  "records": `;
  yield* listPieces(report.records(), INDENTED, 1, (record, depth) => recordPieces(record, INDENTED, depth));
  yield ',\n  "profile_versions": ';
  yield* listPieces(report.versions, INDENTED, 1);
  yield `,\n  "profile_today": ${INDENTED.textOf(report.today, 1)}\n}\n`;
}

/** First the header, then the profile versions, then the records: a reader meets every version before the record that names it. */
export function* formatNdjson(report: ReportDocument): Generator<string> {
  yield `${JSON.stringify({ report: report.header })}\n`;
  for (const version of report.versions) yield `${JSON.stringify({ profile_version: version })}\n`;
  yield `${JSON.stringify({ profile_today: report.today })}\n`;
  for (const record of report.records()) {
    yield '{"record":';
    yield* recordPieces(record, COMPACT);
    yield '}\n';
  }
}
