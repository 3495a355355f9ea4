/** Makes a user's report of a job and streams it to Blob as it is made. */
import type { ArchivePlace } from '../../archive/listing.ts';
import type { Clock } from '../../common/clock.ts';
import type { ReportDocument } from '../../report/report.ts';
import { FORMATS } from '../../report/report-output.ts';
import { makeUserReport, type ReportContext } from '../../report/user-report.ts';
import type { AskedUser } from '../ask/report-ask.ts';
import { notFound } from '../problems.ts';
import type { JobProgress } from './job.ts';
import type { MadeResult, ResultTask } from './result-task.ts';
import { uploadResult } from './upload-result.ts';

export interface ResultPlace {
  readonly context: ReportContext;
  /** Writes are tried once: a second try would meet what the first one has left. */
  readonly place: ArchivePlace;
  readonly clock: Clock;
}

export interface WriteOptions {
  readonly onProgress: (progress: JobProgress) => void;
  readonly signal?: AbortSignal;
  /** With more there is no report but `TooManyEvents`. */
  readonly maxEvents?: number;
}

const COUNTED_BETWEEN_WORDS = 5_000;

/**
 * @throws {Problem} not_found: nothing is stored of the user
 * @throws what `makeUserReport` throws, and {Outage}
 */
export async function writeUserResult(
  { context, place, clock }: ResultPlace,
  { job: { ask, tenantId }, path }: ResultTask<AskedUser>,
  { onProgress, signal, maxEvents }: WriteOptions,
): Promise<MadeResult> {
  const format = await FORMATS[ask.format]();
  const progress = { eventsRead: 0, records: 0 };
  const count = (what: keyof JobProgress): void => {
    progress[what] += 1;
    if (progress[what] % COUNTED_BETWEEN_WORDS === 0) onProgress({ ...progress });
  };
  const made = await makeUserReport(context, {
    ...{
      tenantId,
      userId: ask.userId,
      range: { from: ask.from, to: ask.to },
      by: ask.by,
      knownAt: ask.knownAt,
    },
    generatedAt: clock.now(),
    onEvent: () => count('eventsRead'),
    ...(signal === undefined ? {} : { signal }),
    ...(maxEvents === undefined ? {} : { maxEvents }),
  });
  using document = made.document;
  if (!made.isKnownUser) throw notFound();
  const text = format(withCountedRecords(document, () => count('records')));
  const bytes = await uploadResult(place, { path, format: ask.format, text, signal });
  const { digest, counts } = document.header;
  return {
    result: { path, format: ask.format, bytes, digest },
    progress: { ...progress, records: counts.records },
  };
}

function withCountedRecords(document: ReportDocument, count: () => void): ReportDocument {
  return {
    ...{ header: document.header, versions: document.versions, today: document.today },
    *records() {
      for (const record of document.records()) {
        count();
        yield record;
      }
    },
    [Symbol.dispose]() {},
  };
}
