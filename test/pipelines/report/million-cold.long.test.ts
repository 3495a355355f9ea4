/** A user with very many events, nearly all of them in the cold tier: what is read with one request is many times as large when it is unpacked. */
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type ColdLedger, makeColdLedger } from '../../bench/cold-ledger.ts';
import { TENANT } from '../../bench/cold-load.ts';

const MAIN = new URL('../../../pipelines/main.ts', import.meta.url).pathname;
const LOAD = { days: 3, eventsPerDay: 80_000, users: 1 };
const EVENTS = (LOAD.days + 1) * LOAD.eventsPerDay;
/** The rows of one request would take twice as much. */
const HEAP_MB = 96;

let made: ColdLedger;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'million-cold-'));
  made = await makeColdLedger(inject('configFile'), LOAD, () => {});
}, 300_000);
afterAll(async () => {
  await made?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

it('every one is in the report, which a small heap is enough for', async () => {
  const { userId } = made.users.busiest;
  const out = join(folder, 'report.ndjson');
  const asked = ['report', 'user', '--tenant', TENANT, '--user', userId, '--format', 'ndjson', '--out', out];
  const { exitCode, stderr } = await execa(
    process.execPath,
    [`--max-old-space-size=${HEAP_MB}`, MAIN, ...asked, '--config', inject('configFile')],
    {
      reject: false,
      env: {
        CAMPAIGN_LEDGER_CLICKHOUSE_DATABASE: made.ledger.database,
        CAMPAIGN_LEDGER_BLOB_PREFIX: made.prefix,
      },
    },
  );
  expect(exitCode, stderr).toBe(0);
  const events = new Set<string>();
  let cold = 0;
  const lines = createInterface({ input: createReadStream(out), crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of lines) {
    const { report, record } = JSON.parse(line);
    if (report !== undefined) cold = report.sources.cold.events;
    for (const { event_id } of [...(record?.delivery ?? []), ...(record?.feedback ?? [])])
      events.add(event_id);
  }
  expect(cold).toBe(EVENTS - LOAD.eventsPerDay);
  expect(events.size).toBe(EVENTS);
}, 300_000);
