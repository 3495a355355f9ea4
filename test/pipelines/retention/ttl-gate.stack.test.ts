/** What leaves ClickHouse: what is exported and no longer wanted, and nothing else, whoever merges and writes meanwhile. */
import fc from 'fast-check';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { type ColdRow, EVENTS } from '../../../pipelines/cold/cold-table.ts';
import type { Extent } from '../../../pipelines/cold/exported.ts';
import { selectColdRows } from '../../../pipelines/cold/select-rows.ts';
import {
  type Gate,
  letGo,
  MOST_DAYS,
  setGate,
  ttlExpression,
} from '../../../pipelines/retention/ttl-gate.ts';
import { sortedRows } from '../../helpers/cold-rows.ts';
import {
  DAY_MS,
  dayText,
  FIRST_DAY,
  insertRows,
  isEventIn,
  plausible,
  SOURCES,
} from '../../helpers/cold-table-rows.ts';
import { LedgerDatabase } from '../../helpers/ledger-database.ts';

const DAYS = 10;
const OCCURRED = EVENTS.columns.findIndex(({ name }) => name === 'occurred_at');
const dayOf = (row: ColdRow) => new Date(row[OCCURRED] as number).toISOString().slice(0, 10);

let ledger: LedgerDatabase;
let rows: ColdRow[];
beforeEach(async () => {
  ledger = await LedgerDatabase.create(inject('configFile'));
  rows = plausible(
    EVENTS,
    fc.sample(sortedRows(EVENTS, { minLength: 200, maxLength: 200 }), { numRuns: 1, seed: 4 })[0] ?? [],
    { days: DAYS },
  );
  await insertRows(ledger, EVENTS, rows);
});
afterEach(async () => ledger[Symbol.asyncDispose]());

const upTo = (day: number, offset: number): Extent => ({
  through: dayText(day),
  next: Object.fromEntries(SOURCES.map((source) => [source, offset])),
});
const NOTHING: Gate = { exported: upTo(-1, 0), ttlDays: null, evictedThrough: null, held: new Map() };
const days = Array.from({ length: DAYS }, (_, index) => dayText(index));
/** Days since the first one, as of now: what is so old is beyond its time. */
const ageOf = (day: number) => Math.floor((Date.now() - FIRST_DAY) / DAY_MS) - day;

async function left(): Promise<ColdRow[]> {
  return (
    await Array.fromAsync(selectColdRows(ledger.client, EVENTS, { sql: 'true', parameters: {} }))
  ).flat();
}

async function apply(gate: Gate): Promise<ColdRow[]> {
  await setGate(ledger.client, gate);
  await letGo(ledger.client, days);
  await ledger.mergeEverything(['events']);
  return left();
}

it('nothing that is not exported goes, however old it is and however little is wanted', async () => {
  expect(await apply({ ...NOTHING, ttlDays: 1, evictedThrough: dayText(DAYS) })).toEqual(rows);
});

it('days that are exported go when their time is over, others stay', async () => {
  const found = await apply({ ...NOTHING, exported: upTo(6, 10_000), ttlDays: ageOf(4) });
  expect(found).toEqual(rows.filter((row) => dayOf(row) > dayText(4)));
  expect(found.length).toBeLessThan(rows.length);
});

it('for want of space exported days go before their time is over', async () => {
  const found = await apply({ ...NOTHING, exported: upTo(6, 10_000), evictedThrough: dayText(2) });
  expect(found).toEqual(rows.filter((row) => dayOf(row) > dayText(2)));
});

it('what is not exported of an exported day stays, also when it comes afterwards', async () => {
  const gate = { ...NOTHING, exported: upTo(8, 60), evictedThrough: dayText(8) };
  const mustStay = rows.filter((row) => !isEventIn(gate.exported, row));
  expect(await apply(gate)).toEqual(expect.arrayContaining(mustStay));
  // As the pipeline would, beside what there is, and after everything had gone.
  await ledger.client.command({ query: 'TRUNCATE TABLE events' });
  await insertRows(ledger, EVENTS, rows);
  expect(await apply(gate)).toEqual(expect.arrayContaining(mustStay));
});

it('days that were brought back stay as long as they are held, and no longer', async () => {
  const gate = { ...NOTHING, exported: upTo(8, 10_000), ttlDays: 1 };
  const held = new Map([
    [dayText(2), Date.now() + DAY_MS],
    [dayText(3), Date.now() - DAY_MS],
  ]);
  const kept = (row: ColdRow) => dayOf(row) === dayText(2) || dayOf(row) > dayText(8);
  expect(await apply({ ...gate, held })).toEqual(rows.filter(kept));
});

it('a time that ends beyond what ClickHouse can hold has not passed', async () => {
  expect(await apply({ ...NOTHING, exported: upTo(8, 10_000), ttlDays: MOST_DAYS })).toEqual(rows);
});

it('what is no number of days is refused', () => {
  for (const ttlDays of [0, -1, 1.5, MOST_DAYS + 1]) {
    expect(() => ttlExpression({ ...NOTHING, ttlDays })).toThrow(RangeError);
  }
});
