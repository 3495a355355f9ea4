/** `report rerun`: the report of a file made again, up to the same offsets; says whether it is the same, or why it cannot be. */
import { type CommandContext, EXIT, type ExitCode } from '../../command-context.ts';
import { canonicalJson, type JsonValue } from '../../profiles/fold/json-value.ts';
import { PROGRAM } from '../program.ts';
import { CANONICAL, recordPieces } from '../record-pieces.ts';
import type { ReportDocument } from '../report.ts';
import { FORMATS, type OutputOptions, writeOut } from '../report-output.ts';
import type { UserReportResult } from '../user-report.ts';
import { type SourceOptions, withReport } from '../with-report.ts';
import type { PartDigests } from './part-digests.ts';
import { readReportFile, type WrittenHeader } from './report-file.ts';

export interface RerunOptions extends SourceOptions, Partial<OutputOptions> {}

export async function rerunReport(
  context: CommandContext,
  file: string,
  options: RerunOptions,
): Promise<ExitCode> {
  using written = await readReportFile(file);
  const { header, parts } = written;
  const request = {
    tenantId: header.tenant_id,
    userId: header.user_id,
    range: { from: header.from, to: header.to },
    by: header.by,
    knownAt: header.known_at,
    generatedAt: context.clock.now(),
    pin: header.pin,
  };
  return await withReport(context, request, options, async (made) => {
    const { document } = made;
    const printed = options.format ?? (options.out === undefined ? null : 'json');
    if (printed !== null) await writeOut((await FORMATS[printed]())(document), options.out);
    const { digest, counts } = document.header;
    if (digest === header.digest) {
      say(`the same: ${digest}, ${counts.records} records, ${counts.profile_versions} profile versions`);
      return EXIT.ok;
    }
    say(`not the same: ${file} has ${header.digest}, now it is ${digest}`);
    for (const line of [...differences(parts, document), ...reasons(header, made)]) say(`  ${line}`);
    return EXIT.discrepancy;
  });
}

function say(line: string): void {
  process.stderr.write(`campaign-ledger: ${line}\n`);
}

/** What differs, by name. */
function differences(parts: PartDigests, { records, versions }: ReportDocument): string[] {
  for (const record of records())
    parts.add('made', 'messages', record.message_id, recordPieces(record, CANONICAL));
  for (const version of versions)
    parts.add('made', 'profile versions', version.valid_from, [
      canonicalJson(version as unknown as JsonValue),
    ]);
  return parts.differences();
}

/** What is known to make a difference. */
function reasons(header: WrittenHeader, { document, rejected }: UserReportResult): string[] {
  const { header: now } = document;
  const found: string[] = [];
  if (header.sources.local_only !== now.sources.local_only) {
    const [one, other] = header.sources.local_only ? ['it', 'this one'] : ['this one', 'it'];
    found.push(`${one} asked ClickHouse alone, ${other} did not`);
  }
  if (header.program !== now.program) found.push(`it was made by ${header.program}, this one by ${PROGRAM}`);
  if (rejected > 0)
    found.push(
      `${rejected} rows of the user were recorded since and are left out; but where one of them is a copy with an earlier Kafka timestamp, which producers may set where a topic has message.timestamp.type=CreateTime, ClickHouse may have kept that one alone; the archive has both`,
    );
  const unknown = header.pin.filter(({ topic }) => topic === null);
  if (unknown.length > 0)
    found.push(`of ${unknown.length} partitions no pipeline had any progress: nobody vouches for their rows`);
  return [
    ...found,
    'rows may have been changed or removed by other hands: `campaign-ledger verify --deep` holds the tables against the archive',
  ];
}
