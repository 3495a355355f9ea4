/** What all requests of a process make their reports with: one set of connections, and questions that many ask at once asked once. */
import type { Config } from '../../config/schema.ts';
import { ColdStore } from '../cold/cold-store.ts';
import { readLetGo } from '../cold/let-go.ts';
import type { Clock } from '../common/clock.ts';
import { readPositions } from '../report/read-progress.ts';
import { readHeads } from '../report/read-raw.ts';
import { openReportContext } from '../report/report-context.ts';
import type { ReportContext } from '../report/user-report.ts';
import { freshEnough } from './fresh-enough.ts';
import { sharedRead } from './shared-read.ts';

/** Each report asks for two or three things at a time; most of the time it asks for one. */
const CONNECTIONS_PER_REPORT = 2;

/** Milliseconds. How topics are set changes about never, and asking Kafka takes long. */
const CLOCK_KEPT_MS = 60_000;

export interface ReportSource {
  readonly context: ReportContext;
  close(): Promise<void>;
}

/** Does not connect: the first requests do. */
export function openReportSource(config: Config, clock: Clock): ReportSource {
  const { context, close } = openReportContext(config, {
    clock,
    isLocalOnly: false,
    maxOpenConnections: config.serve.maxConcurrentReports * CONNECTIONS_PER_REPORT,
  });
  const { blob, readClock } = context;
  const aged = <T>(read: () => Promise<T>) => freshEnough(sharedRead(read), config.serve.freshnessMs);
  const cold = blob === null ? null : new ColdStore(blob.place.container, blob.place.prefix);
  return {
    context: {
      ...context,
      // A report goes up to where the pipelines were then. The manifest is another matter: it must be read behind ClickHouse.
      positions: aged(() => readPositions(context)),
      letGo: aged(() => readLetGo(context.clickhouse, context.database)),
      ...(readClock === undefined ? {} : { readClock: freshEnough(readClock, CLOCK_KEPT_MS) }),
      blob:
        blob === null || cold === null
          ? null
          : {
              ...blob,
              heads: aged(() => readHeads(blob)),
              manifest: sharedRead(() => cold.readManifest()),
            },
    },
    close,
  };
}
