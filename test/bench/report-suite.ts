/**
 * The suite of reports: one user's report over HTTP, against the bare query for the same user's rows, and many at once. Everything
 * is in ClickHouse; Blob is asked what is not.
 */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { newKey } from '../../pipelines/serve/auth/key-file.ts';
import { LedgerDatabase } from '../helpers/ledger-database.ts';
import { PipelineChild } from '../helpers/pipeline-child.ts';
import { type ColdLoad, TENANT } from './cold-load.ts';
import type { Figure } from './figures.ts';
import { cpuSeconds, peakRssMb } from './process-meter.ts';
import { median } from './rate.ts';
import { fillReportLedger } from './report-load.ts';

export interface ReportSuiteOptions extends ColdLoad {
  readonly configFile: string;
  readonly folder: string;
  /** Reports that are timed one after another, each beside its query. */
  readonly reports: number;
  readonly say: (line: string) => void;
}

const AT_ONCE = 64;
/** Of those at once, for each that is timed alone. */
const TIMES = 10;
const WARM_UP = 20;

const QUERY = `SELECT kind, event_id, message_id, campaign_id, channel, type, toUnixTimestamp64Milli(occurred_at) AS occurred_ms,
    variant, reason, provider, link, user_agent, is_machine, value, toUnixTimestamp64Milli(recorded_at) AS recorded_ms, topic_id, partition, offset
  FROM events WHERE tenant_id = {tenant:String} AND user_id = {user:String}`;

export async function runReportSuite({ configFile, folder, reports, say, ...load }: ReportSuiteOptions) {
  const amount = (load.days * load.eventsPerDay).toLocaleString('en-US');
  say(`${amount} events of ${load.users.toLocaleString('en-US')} users`);
  await using ledger = await LedgerDatabase.create(configFile);
  await fillReportLedger(ledger, load, say);
  const users = someUsers(load, reports + WARM_UP);
  const { token, entry } = newKey({ id: 'bench', tenants: [TENANT], scopes: ['reports:read'] });
  const keysFile = join(folder, 'keys.yaml');
  await writeFile(keysFile, `keys:\n${entry}`);
  await chmod(keysFile, 0o600);
  const service = PipelineChild.start(['--config', configFile], {
    command: 'serve',
    logFile: join(folder, 'serve.log'),
    env: {
      CAMPAIGN_LEDGER_CLICKHOUSE_DATABASE: ledger.database,
      CAMPAIGN_LEDGER_CLICKHOUSE_BI_DATABASE: ledger.bi,
      CAMPAIGN_LEDGER_BLOB_PREFIX: `bench-report-${ledger.database}/`,
      CAMPAIGN_LEDGER_SERVE_PORT: '0',
      CAMPAIGN_LEDGER_SERVE_AUTH_KEYS_FILE: keysFile,
      CAMPAIGN_LEDGER_SERVE_RATE_LIMIT_MAX_REQUESTS: '1000000',
    },
  });
  const dispatcher = new Agent({ connections: AT_ONCE });
  const discrepancies: string[] = [];
  try {
    const served = () => service.log.find(({ msg }) => msg === 'reports are served')?.url;
    await service.until('the service', () => served() !== undefined);
    const url = String(served());
    const report = async (user: string): Promise<number> => {
      const answer = await request(`${url}/v1/users/${encodeURIComponent(user)}/report?tenant_id=${TENANT}`, {
        headers: { authorization: `Bearer ${token}` },
        dispatcher,
      });
      const body = (await answer.body.json()) as { report?: { counts: { events: number } } };
      if (answer.statusCode !== 200) throw new Error(`${user}: ${answer.statusCode} ${JSON.stringify(body)}`);
      return body.report?.counts.events ?? 0;
    };
    const query = async (user: string): Promise<number> => {
      const answer = await ledger.client.query({
        query: QUERY,
        query_params: { tenant: TENANT, user },
        format: 'JSONEachRow',
      });
      return (await answer.json()).length;
    };
    for (const user of users.slice(0, WARM_UP)) await Promise.all([report(user), query(user)]);

    const [alone, bare]: [number[], number[]] = [[], []];
    for (const user of users.slice(WARM_UP)) {
      const [told, rows] = [await timed(alone, () => report(user)), await timed(bare, () => query(user))];
      if (told !== rows) discrepancies.push(`${user}: ${told} events told, ${rows} rows found`);
    }
    say(`one at a time: report ${text(median(alone))} ms, query ${text(median(bare))} ms`);

    const before = cpuSeconds(service.pid);
    const [together, queriesTogether]: [number[], number[]] = [[], []];
    const queue = Array.from({ length: TIMES }, () => users).flat();
    const seconds = await atOnce(queue, (user) => timed(together, () => report(user)));
    const cpu = cpuSeconds(service.pid) - before;
    const rss = peakRssMb(service.pid) ?? Number.NaN;
    const querySeconds = await atOnce(queue, (user) => timed(queriesTogether, () => query(user)));
    const figures: Figure[] = [
      { name: 'hot_report_vs_query', value: (median(alone) ?? 0) / (median(bare) ?? 1), aim: { atMost: 2 } },
      { name: 'hot_report_p99_ms', value: percentile(together, 0.99), aim: null },
      { name: 'hot_reports_per_s', value: together.length / seconds, aim: null },
      { name: 'hot_reports_vs_queries_per_s', value: querySeconds / seconds, aim: null },
      { name: 'hot_report_cpu_ms', value: (cpu * 1_000) / together.length, aim: null },
      { name: 'hot_report_rss_mb', value: rss, aim: null },
    ];
    return {
      figures,
      facts: {
        events: load.days * load.eventsPerDay,
        median_report_ms: median(alone) ?? Number.NaN,
        median_query_ms: median(bare) ?? Number.NaN,
        p50_at_once_ms: percentile(together, 0.5),
        p99_query_at_once_ms: percentile(queriesTogether, 0.99),
        requests_at_once: together.length,
      },
      discrepancies,
    };
  } finally {
    await dispatcher.close();
    await service.kill();
  }
}

/** All over the ranks, and so over the table. */
function someUsers({ users }: ColdLoad, count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const number = Math.floor((index * 7_919 * users) / count) % users;
    return `u-${String(number).padStart(7, '0')}`;
  });
}

async function timed<T>(into: number[], work: () => Promise<T>): Promise<T> {
  const begun = performance.now();
  const result = await work();
  into.push(performance.now() - begun);
  return result;
}

/** @returns seconds */
async function atOnce(users: readonly string[], work: (user: string) => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  const queue = users[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const user of queue) await work(user);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return (performance.now() - begun) / 1_000;
}

function percentile(times: readonly number[], share: number): number {
  return times.toSorted((a, b) => a - b)[Math.ceil(times.length * share) - 1] ?? Number.NaN;
}

const text = (milliseconds: number | null) => (milliseconds ?? 0).toFixed(1);
