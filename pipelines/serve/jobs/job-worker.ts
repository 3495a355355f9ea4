/** The thread that makes jobs' reports, one at a time, and streams them to Blob. It says how far it is. */
import { Readable } from 'node:stream';
import { parentPort } from 'node:worker_threads';
import { blobFault } from '../../archive/blob-fault.ts';
import { createContainer } from '../../common/blob/container.ts';
import { systemClock } from '../../common/clock.ts';
import { Outage } from '../../common/errors.ts';
import type { ReportDocument } from '../../report/report.ts';
import { openReportContext } from '../../report/report-context.ts';
import { FORMATS } from '../../report/report-output.ts';
import { makeUserReport } from '../../report/user-report.ts';
import { contentTypeOf } from '../formats.ts';
import { inPieces } from '../pieces.ts';
import { problemOf } from '../problem-of.ts';
import { notFound } from '../problems.ts';
import type { JobProgress } from './job.ts';
import type { Made, WorkerFault, WorkerMessage, WorkerTask } from './make-result.ts';

const EVENTS_BETWEEN_WORDS = 5_000;
const BLOCK_BYTES = 4 * 1024 * 1024;
const BLOCKS_AT_ONCE = 2;

const say = (message: WorkerMessage): void => parentPort?.postMessage(message);

class Progress {
  readonly current = { eventsRead: 0, records: 0 };

  count(what: keyof JobProgress): void {
    this.current[what] += 1;
    if (this.current[what] % EVENTS_BETWEEN_WORDS === 0)
      say({ kind: 'progress', progress: { ...this.current } });
  }
}

async function make({ config, job, path }: WorkerTask): Promise<Made> {
  const { ask, tenantId } = job;
  const format = await FORMATS[ask.format]();
  const { context, close } = openReportContext(config, { clock: systemClock, isLocalOnly: false });
  const progress = new Progress();
  try {
    const { document, isKnownUser } = await makeUserReport(context, {
      tenantId,
      userId: ask.userId,
      range: { from: ask.from, to: ask.to },
      by: ask.by,
      knownAt: ask.knownAt,
      generatedAt: systemClock.now(),
      onEvent: () => progress.count('eventsRead'),
    });
    using _document = document;
    if (!isKnownUser) throw notFound();
    const counted = countingRecords(document, () => progress.count('records'));
    let bytes = 0;
    const pieces = function* () {
      for (const piece of inPieces(format(counted))) {
        const some = Buffer.from(piece);
        bytes += some.length;
        yield some;
      }
    };
    await createContainer(config)
      .getBlockBlobClient(config.blob.prefix + path)
      .uploadStream(Readable.from(pieces()), BLOCK_BYTES, BLOCKS_AT_ONCE, {
        conditions: { ifNoneMatch: '*' },
        blobHTTPHeaders: { blobContentType: contentTypeOf(ask.format) },
      })
      .catch((error: unknown) => {
        throw blobFault(error);
      });
    const result = { path, format: ask.format, bytes, digest: document.header.digest };
    return {
      kind: 'made',
      result,
      progress: { ...progress.current, records: document.header.counts.records },
    };
  } finally {
    await close();
  }
}

function countingRecords(document: ReportDocument, count: () => void): ReportDocument {
  return {
    header: document.header,
    versions: document.versions,
    today: document.today,
    *records() {
      for (const record of document.records()) {
        count();
        yield record;
      }
    },
    [Symbol.dispose]() {},
  };
}

function faultOf(error: unknown): WorkerFault {
  const { code, message } = problemOf(error);
  return {
    code,
    detail: message,
    outage: error instanceof Outage ? { service: error.service, reason: error.message } : null,
    stack: error instanceof Error ? (error.stack ?? error.message) : String(error),
  };
}

parentPort?.on('message', (task: WorkerTask) => {
  void make(task).then(say, (error: unknown) => say({ kind: 'failed', fault: faultOf(error) }));
});
