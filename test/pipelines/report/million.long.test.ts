/** Users with very many events, on many messages and on one: what is written goes through a heap that could not hold a quarter of them. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { WholeLedger } from '../../helpers/whole-ledger.ts';

const MAIN = new URL('../../../pipelines/main.ts', import.meta.url).pathname;
const EVENTS = 1_000_000;
const FEWER = 250_000;
/** A record with so many entries would take six times as much. */
const HEAP_MB = 224;

let ledger: WholeLedger;
beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
  await insert('busy', EVENTS);
  await insert('less', FEWER);
  await insert('one', FEWER, FEWER);
});
afterAll(() => ledger?.[Symbol.asyncDispose]());

/** So many events a message, over ten days; copies of every tenth. */
async function insert(user: string, events: number, perMessage = 4): Promise<void> {
  await ledger.harness.client.command({
    query: `
      INSERT INTO events (tenant_id, user_id, occurred_at, message_id, type, event_id, kind, campaign_id, channel, link, user_agent, attributes,
        source, offset, recorded_at)
      WITH number % {events:UInt32} AS event, intDiv(event, {perMessage:UInt32}) AS message,
        least(event % {perMessage:UInt32}, 2 + event % 2) AS step,
        toDateTime64('2026-08-01 00:00:00', 3, 'UTC') + toIntervalMillisecond(message * 3400 + intDiv(event % {perMessage:UInt32} * 200000, {perMessage:UInt32})) AS at
      SELECT 'acme', {user:String}, at, concat('m-', hex(cityHash64(message))), ['SENT', 'DELIVERED', 'OPENED', 'CLICKED'][step + 1],
        concat('e-', hex(sipHash128(event))), if(step < 2, 'delivery', 'feedback'), concat('c-', toString(message % 50)), 'EMAIL',
        if(step = 3, concat('https://www.example.com/', hex(sipHash128(event, 'link'))), NULL), if(step < 2, NULL, 'Mozilla/5.0'),
        map('region', 'north'), concat('0123456789abcdef0123456789abcdef/', toString(message % 3)), number, at + INTERVAL 2 SECOND
      FROM numbers({all:UInt64})`,
    query_params: { user, events, perMessage, all: events + events / 10 },
  });
}

/** In a process with so little memory for what it makes. @returns what it said */
async function run(args: readonly string[], heapMb: number): Promise<string> {
  const { exitCode, stderr } = await execa(
    process.execPath,
    [`--max-old-space-size=${heapMb}`, MAIN, 'report', ...args, '--config', ledger.configFile],
    { reject: false },
  );
  expect(exitCode, stderr).toBe(0);
  return stderr;
}

async function written(user: string, format: string, heapMb: number): Promise<string> {
  const out = join(ledger.folder, `${user}.${format}`);
  await run(['user', '--tenant', 'acme', '--user', user, '--format', format, '--out', out], heapMb);
  return out;
}

const linesOf = (file: string) =>
  createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });

const TIME_MS = 400_000;

it(
  'as NDJSON: every message once, in order, with its four events',
  async () => {
    const file = await written('busy', 'ndjson', 160);
    let [records, events, last] = [0, 0, ''];
    for await (const line of linesOf(file)) {
      const { report, record } = JSON.parse(line);
      if (report !== undefined)
        expect(report.counts).toEqual({ records: EVENTS / 4, events: EVENTS, profile_versions: 0 });
      if (record === undefined) continue;
      records += 1;
      events += record.delivery.length + record.feedback.length;
      if (record.sent_at < last) throw new Error(`${record.sent_at} comes behind ${last}`);
      last = record.sent_at;
    }
    expect([records, events]).toEqual([EVENTS / 4, EVENTS]);
  },
  TIME_MS,
);

it(
  'as CSV: a row for each',
  async () => {
    const file = await written('less', 'csv', 120);
    let rows = -1;
    for await (const _ of linesOf(file)) rows += 1;
    expect(rows).toBe(FEWER);
    expect((await stat(file)).size).toBeGreaterThan(FEWER * 100);
  },
  TIME_MS,
);

describe('all of them on one message', () => {
  it.each([
    ['json', '"event_id": '],
    ['csv', 'acme,one,'],
    ['html', '<li>1 Aug'],
  ])(
    'as %s',
    async (format, beginningOfAnEntry) => {
      const file = await written('one', format, HEAP_MB);
      expect(await occurrences(file, beginningOfAnEntry)).toBe(FEWER);
    },
    TIME_MS,
  );

  it(
    'are read from the file, and told again',
    async () => {
      const said = await run(['rerun', join(ledger.folder, 'one.json')], HEAP_MB);
      expect(said).toContain('the same: sha256:');
    },
    TIME_MS,
  );
});

async function occurrences(file: string, text: string): Promise<number> {
  let found = 0;
  let rest = '';
  for await (const chunk of createReadStream(file, 'utf8')) {
    const read = rest + chunk;
    found += read.split(text).length - 1;
    rest = read.slice(read.length - text.length + 1);
  }
  return found;
}
