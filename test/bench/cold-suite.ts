/** The suite of the cold tier: how fast days are exported, and how little a report on them reads. */

import { createContainer } from '../../pipelines/common/blob/container.ts';
import { systemClock } from '../../pipelines/common/clock.ts';
import { WriterSchemas } from '../../pipelines/common/registry/writer-schemas.ts';
import { makeUserReport, type ReportContext } from '../../pipelines/report/user-report.ts';
import {
  type CountingProxy,
  endpointOf,
  startCountingProxy,
  throughProxy,
} from '../helpers/counting-proxy.ts';
import { type ColdLedger, makeColdLedger } from './cold-ledger.ts';
import { type ColdLoad, type LoadUser, TENANT } from './cold-load.ts';
import type { Figure } from './figures.ts';
import { median } from './rate.ts';

export interface ColdSuiteOptions extends ColdLoad {
  readonly configFile: string;
  /** Reports of each kind that are timed. */
  readonly reports: number;
  readonly say: (line: string) => void;
}

export interface ColdSuiteResult {
  readonly figures: readonly Figure[];
  readonly facts: Readonly<Record<string, number>>;
  readonly discrepancies: readonly string[];
}

/** What the smaller ledger has less of, in users and in events a day. */
const TIMES = 10;

interface Read {
  readonly requests: number;
  readonly bytes: number;
  readonly milliseconds: number;
  readonly events: number;
}

export async function runColdSuite(options: ColdSuiteOptions): Promise<ColdSuiteResult> {
  const { configFile, say, reports, days } = options;
  const small = { days, eventsPerDay: options.eventsPerDay / TIMES, users: options.users / TIMES };
  say(`a tenth: ${describe(small)}`);
  await using tenth = await makeColdLedger(configFile, small, say);
  say(`the whole: ${describe(options)}`);
  await using whole = await makeColdLedger(configFile, options, say);
  await using reader = await ColdReports.open(whole);
  await using smallReader = await ColdReports.open(tenth);

  const read = { median: [] as Read[], busiest: [] as Read[], tenth: [] as Read[] };
  // The first ones pay for compiling, and for connections.
  for (let round = -3; round < reports; round += 1) {
    const some = {
      tenth: await smallReader.read(tenth.users.median),
      median: await reader.read(whole.users.median),
      busiest: await reader.read(whole.users.busiest),
    };
    if (round < 0) continue;
    for (const kind of ['tenth', 'median', 'busiest'] as const) read[kind].push(some[kind]);
  }
  const discrepancies = [
    ...differences('median user', whole.users.median, read.median),
    ...differences('busiest user', whole.users.busiest, read.busiest),
    ...differences("a tenth's median user", tenth.users.median, read.tenth),
  ];
  const most = (of: (read: Read) => number) => Math.max(...[...read.median, ...read.busiest].map(of));
  const time = (some: readonly Read[]) => median(some.map(({ milliseconds }) => milliseconds)) ?? Number.NaN;
  const { months, bytes, exportedRows, exportSeconds } = whole;
  return {
    figures: [
      { name: 'cold_report_bytes_fraction', value: most((one) => one.bytes) / bytes, aim: { atMost: 0.01 } },
      { name: 'cold_report_requests', value: most((one) => one.requests), aim: { atMost: 2 + 3 * months } },
      {
        name: 'cold_report_10x_time_ratio',
        value: time(read.median) / time(read.tenth),
        aim: { atMost: 1.5 },
      },
      { name: 'export_rows_per_s', value: exportedRows / exportSeconds, aim: null },
    ],
    facts: {
      months,
      tracking_bytes: bytes,
      exported_rows: exportedRows,
      median_user_events: whole.users.median.events,
      busiest_user_events: whole.users.busiest.events,
      median_user_bytes: Math.max(...read.median.map((one) => one.bytes)),
      busiest_user_bytes: Math.max(...read.busiest.map((one) => one.bytes)),
      median_user_requests: Math.max(...read.median.map((one) => one.requests)),
      busiest_user_requests: Math.max(...read.busiest.map((one) => one.requests)),
      median_user_ms: time(read.median),
      busiest_user_ms: time(read.busiest),
      tenth_median_user_ms: time(read.tenth),
      tenth_median_user_events: tenth.users.median.events,
    },
    discrepancies,
  };
}

function describe({ days, eventsPerDay, users }: ColdLoad): string {
  const [events, people] = [eventsPerDay, users].map((number) => number.toLocaleString('en-US'));
  return `${days} days × ${events} events of ${people} users`;
}

function differences(who: string, { userId, events }: LoadUser, read: readonly Read[]): string[] {
  const other = read.find((one) => one.events !== events);
  return other === undefined ? [] : [`${who} ${userId}: ${other.events} events told, ${events} were made`];
}

/** Reports of one ledger, with everything that is asked of Blob going through a proxy that counts. */
class ColdReports implements AsyncDisposable {
  readonly #context: ReportContext;
  readonly #schemas: WriterSchemas;
  readonly #proxy: CountingProxy;

  private constructor(context: ReportContext, schemas: WriterSchemas, proxy: CountingProxy) {
    this.#context = context;
    this.#schemas = schemas;
    this.#proxy = proxy;
  }

  static async open({ ledger, prefix }: ColdLedger): Promise<ColdReports> {
    const { config, client, database } = ledger;
    const proxy = await startCountingProxy(endpointOf(config.blob.connectionString));
    const connectionString = throughProxy(config.blob.connectionString, proxy);
    const container = createContainer({ blob: { ...config.blob, connectionString } });
    const schemas = new WriterSchemas({ settings: config.schemaRegistry, clock: systemClock });
    const blob = { place: { container, prefix }, config, schemas };
    return new ColdReports({ clickhouse: client, database, blob }, schemas, proxy);
  }

  async read({ userId }: LoadUser): Promise<Read> {
    this.#proxy.take();
    const begun = performance.now();
    const { document } = await makeUserReport(this.#context, {
      tenantId: TENANT,
      userId,
      range: { from: null, to: null },
      generatedAt: Date.now(),
    });
    const milliseconds = performance.now() - begun;
    const answered = this.#proxy.take();
    document[Symbol.dispose]();
    return {
      requests: answered.length,
      bytes: answered.reduce((sum, { bytes }) => sum + bytes, 0),
      milliseconds,
      events: document.header.counts.events,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy.close();
    await this.#schemas.close();
  }
}
