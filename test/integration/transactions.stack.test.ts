/** Producers with transactions: what was aborted is nowhere, what was committed is everywhere once, and no lag is left. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { TopicRole } from '../../config/topics.ts';
import { readArchive } from '../helpers/archive-witness.ts';
import { audit, gatherEvidence } from '../helpers/audit.ts';
import { change, delivery } from '../helpers/ledger-values.ts';
import { eventually, Producer } from '../helpers/runner-harness.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';

let ledger: WholeLedger;
const producers: Producer[] = [];

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
});
afterAll(async () => {
  await Promise.all(producers.map((producer) => producer.close()));
  await ledger[Symbol.asyncDispose]();
});

async function transactional(role: TopicRole): Promise<Producer> {
  const producer = await Producer.connect(ledger.config, ledger.topic(role), { transactional: true });
  producers.push(producer);
  return producer;
}

const sends = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) =>
    ledger.harness.encode(
      'delivery',
      delivery({ event_id: `${name}-${index}`, message_id: `m-${name}-${index}` }),
    ),
  );

const patches = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) =>
    ledger.harness.encode(
      'profiles',
      change({ change_id: `${name}-${index}`, op: 'PATCH', attributes: JSON.stringify({ [name]: index }) }),
    ),
  );

const PARTITION = { topic: '', partition: 0 };

async function endOf(role: TopicRole): Promise<number> {
  const [{ high } = { high: -1 }] = await ledger.harness.admin.watermarks([
    { ...PARTITION, topic: ledger.topic(role) },
  ]);
  return high;
}

describe('transactions that interleave in one partition', () => {
  let committed = 0;
  const commit = async (producer: Producer, values: readonly Buffer[]) => {
    await producer.commit(0, values);
    committed += values.length;
  };

  beforeAll(async () => {
    const [one, other, profiles] = await Promise.all([
      transactional('delivery'),
      transactional('delivery'),
      transactional('profiles'),
    ]);
    for (let round = 0; round < 6; round += 1) {
      await Promise.all([
        commit(one, sends(`kept-${round}`, 40)),
        other.abort(0, sends(`dropped-${round}`, 25)),
        round % 2 === 0
          ? profiles.commit(0, patches(`kept${round}`, 5))
          : profiles.abort(0, patches(`dropped${round}`, 5)),
      ]);
    }
    // The end of the partition is nothing but markers and what was aborted.
    await other.abort(0, sends('dropped-at-the-end', 30));
    await profiles.abort(0, patches('dropped', 3));
  });

  test('leave no lag behind, although the last offsets are no records', async () => {
    const running = ledger.start();
    await ledger.caughtUp();
    await eventually(async () => (await running.metric('ledger_lag_offsets')) === 0, {
      what: 'no lag in the metrics',
    });
    expect(await running.stop()).toEqual({ code: 0, signal: null });
    expect(await endOf('delivery')).toBeGreaterThan(committed + 6 * 25 + 30);
  });

  test('are stored and archived as far as they were committed', async () => {
    const evidence = await gatherEvidence(ledger);
    expect(evidence.records.delivery).toHaveLength(committed);
    expect(evidence.records.profiles).toHaveLength(15);
    expect(await audit(ledger, evidence)).toEqual([]);
    const [row] = await ledger.rows(
      "SELECT count() AS rows, countIf(event_id LIKE 'dropped%') AS dropped FROM {bi}.events",
    );
    expect(row).toEqual({ rows: committed, dropped: 0 });
    const profile = await ledger.rows('SELECT attributes FROM {bi}.profile_versions');
    expect(profile).toEqual([{ attributes: '{"kept0":4,"kept2":4,"kept4":4}' }]);
  });

  test('are archived without a gap: segments cover the offsets that are no records', async () => {
    const chain = (await readArchive(ledger.config)).filter(
      ({ topic }) => topic === ledger.topic('delivery'),
    );
    const covered = chain.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    const archived = chain.reduce((sum, { records }) => sum + records.length, 0);
    expect(archived).toBe(committed);
    expect(covered).toBe((chain.at(-1)?.last ?? -1) + 1);
    expect(covered).toBeGreaterThan(committed);
  });
});

test('a restart behind trailing markers is no alarm, and goes on', async () => {
  const running = ledger.start();
  await running.until('ready', async () => (await running.get('/readyz')).status === 200);
  const producer = await transactional('delivery');
  await producer.abort(0, sends('dropped-again', 3));
  await producer.commit(0, sends('kept-again', 7));
  await producer.abort(0, sends('dropped-last', 3));
  await ledger.caughtUp();
  expect(await running.metric('ledger_stopped_partition')).toBe(0);
  expect(await running.metric('ledger_committed_behind_total')).toBe(0);
  expect(await running.stop()).toEqual({ code: 0, signal: null });
  expect(await audit(ledger)).toEqual([]);
  const rows = await ledger.rows("SELECT count() AS rows FROM {bi}.events WHERE event_id LIKE 'kept-again%'");
  expect(rows).toEqual([{ rows: 7 }]);
});

test('records of a transaction that is still open are held back, and so is all behind them', async () => {
  const running = ledger.start(['tracking']);
  await running.until('ready', async () => (await running.get('/readyz')).status === 200);
  const open = await transactional('delivery');
  await open.begin();
  await open.produce(0, sends('open', 5));
  await ledger.harness.produce('delivery', [
    {
      value: ledger.harness.encode('delivery', delivery({ event_id: 'behind', message_id: 'm-behind' })),
      partition: 0,
    },
    {
      value: ledger.harness.encode('delivery', delivery({ event_id: 'beside', message_id: 'm-beside' })),
      partition: 1,
    },
  ]);
  const stored = () =>
    ledger.rows(
      "SELECT event_id FROM {bi}.events WHERE event_id IN ('behind', 'beside', 'open-0') ORDER BY event_id",
    );
  await running.until('the other partition', async () => (await stored()).length > 0);
  expect(await stored()).toEqual([{ event_id: 'beside' }]);
  await open.end('commit');
  await ledger.caughtUp(['tracking']);
  expect(await stored()).toEqual([{ event_id: 'behind' }, { event_id: 'beside' }, { event_id: 'open-0' }]);
  expect(await running.stop()).toEqual({ code: 0, signal: null });
});
