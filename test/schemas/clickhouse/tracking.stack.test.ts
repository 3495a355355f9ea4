/** Events, messages and campaign results against brute force: copies of every sort, cut and repeated in every way. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { LedgerDatabase } from '../../helpers/ledger-database.ts';
import {
  type EventRow,
  eventLists,
  expectedMessages,
  expectedResults,
  expectedStats,
  firstCopies,
  MEASURE_COLUMNS,
  MESSAGE_COLUMNS,
  time,
} from './event-model.ts';

const TABLES = ['events', 'message_events', 'message_campaigns'];

let ledger: LedgerDatabase;

beforeAll(async () => {
  ledger = await LedgerDatabase.create(inject('configFile'));
});

afterAll(async () => ledger[Symbol.asyncDispose]());

function toTable({ occurredAt, recordedAt, topicId, partition, ...row }: EventRow): object {
  return {
    ...row,
    attributes: { key: String(row.offset) },
    occurred_at: time(occurredAt),
    recorded_at: time(recordedAt),
    source: `${topicId}/${partition}`,
  };
}

const EVENT_COLUMNS = `tenant_id, user_id, message_id, type, event_id, kind, campaign_id, channel, variant, link, is_machine, value,
  topic_id, partition, offset, occurred_at, occurred_on, recorded_at, attributes`;

function expectedEvents(rows: readonly EventRow[]): object[] {
  return firstCopies(rows).map(({ topicId, partition, recordedAt, occurredAt, ...row }) => ({
    ...row,
    topic_id: topicId,
    partition,
    occurred_at: time(occurredAt),
    occurred_on: time(occurredAt).slice(0, 10),
    recorded_at: time(recordedAt),
    attributes: { key: String(row.offset) },
  }));
}

const sorted = (rows: readonly object[]) =>
  rows.map((row) => JSON.stringify(Object.fromEntries(Object.entries(row).sort()))).sort();

async function expectAnswers(rows: readonly EventRow[]): Promise<void> {
  const { bi } = ledger;
  const views: readonly (readonly [view: string, columns: string, expected: readonly object[]])[] = [
    [`${bi}.events`, EVENT_COLUMNS, expectedEvents(rows)],
    [`${bi}.messages`, MESSAGE_COLUMNS, expectedMessages(rows)],
    ['messages', MESSAGE_COLUMNS, expectedMessages(rows)],
    ['campaign_stats', `tenant_id, campaign_id, hour, ${MEASURE_COLUMNS}`, expectedStats(rows)],
    [`${bi}.campaign_results`, `tenant_id, campaign_id, ${MEASURE_COLUMNS}`, expectedResults(rows)],
  ];
  await Promise.all(
    views.map(async ([view, columns, expected]) => {
      const found = await ledger.rows(
        `SELECT ${columns} FROM ${view} SETTINGS output_format_json_quote_64bit_integers = 0`,
      );
      expect(sorted(found), view).toEqual(sorted(expected));
    }),
  );
}

/** Batches of the rows, in an order and with repetitions and cuts of their own. */
const insertPlans = (rows: readonly EventRow[]) =>
  fc.array(fc.subarray([...rows], { minLength: 1 }), { maxLength: 3 }).chain((again) =>
    fc.shuffledSubarray([...rows], { minLength: rows.length }).chain((shuffled) =>
      fc
        .array(fc.integer({ min: 1, max: Math.max(1, rows.length - 1) }), { maxLength: 3 })
        .map((cuts) => [0, ...cuts, rows.length].sort((a, b) => a - b))
        .map((cuts) => cuts.slice(1).map((end, index) => shuffled.slice(cuts[index], end)))
        .chain((batches) =>
          fc.shuffledSubarray([...batches, ...again], { minLength: batches.length + again.length }),
        ),
    ),
  );

test('any batches, in any order and any number of times, merged or not, give the same exact answers', async () => {
  const worlds = eventLists.chain((rows) =>
    fc.record({ rows: fc.constant(rows), batches: insertPlans(rows) }),
  );
  await fc.assert(
    fc.asyncProperty(worlds, async ({ rows, batches }) => {
      for (const table of TABLES) await ledger.client.command({ query: `TRUNCATE TABLE ${table}` });
      for (const batch of batches) await ledger.insert('events', batch.map(toTable));
      await expectAnswers(rows);
      await ledger.mergeEverything(TABLES);
      await expectAnswers(rows);
      await ledger.insert('events', rows.map(toTable));
      await expectAnswers(rows);
    }),
    // Shrinking takes a while on a real engine: what has been found until then is told.
    { numRuns: 25, interruptAfterTimeLimit: 200_000 },
  );
}, 300_000);
