/** Questions to ClickHouse that nobody waits for any more. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { makeCampaignReport } from '../../../pipelines/campaign-report/make-report.ts';
import { ask } from '../../../pipelines/campaign-report/read-campaign.ts';
import { createClickHouse } from '../../../pipelines/common/clickhouse/client.ts';
import { startCuttingProxy } from '../../helpers/cutting-proxy.ts';
import { LedgerDatabase } from '../../helpers/ledger-database.ts';
import { eventually } from '../../helpers/runner-harness.ts';

let ledger: LedgerDatabase;
beforeAll(async () => {
  ledger = await LedgerDatabase.create(inject('configFile'));
});
afterAll(async () => ledger[Symbol.asyncDispose]());

/** As long as the test may take, a second for each row. */
const SLOW = `SELECT sleepEachRow(1), {mark:String} FROM numbers(300) SETTINGS max_block_size = 1, max_threads = 1`;

const isUnderWay = async (mark: string) => {
  const [row] = await ledger.rows<{ queries: string }>(
    `SELECT count() AS queries FROM system.processes WHERE position(query, {mark:String}) > 0 AND position(query, 'system.processes') = 0`,
    { mark },
  );
  return Number(row?.queries) > 0;
};

test('one that is given up ends in ClickHouse as well, and rejects with the reason', async () => {
  const mark = randomUUID();
  const abort = new AbortController();
  const reader = { clickhouse: ledger.client, database: ledger.database, signal: abort.signal };
  const asked = ask(reader, `${SLOW} /* ${mark} */`, { mark });
  const failed = expect(asked).rejects.toThrow('nobody waits');
  await eventually(() => isUnderWay(mark), { what: 'its beginning' });
  abort.abort(new Error('nobody waits'));
  await failed;
  await eventually(async () => !(await isUnderWay(mark)), { what: 'its end' });
});

test('one that is given up before it was asked is not asked', async () => {
  const mark = randomUUID();
  const reader = { clickhouse: ledger.client, database: ledger.database };
  const signal = AbortSignal.abort(new Error('nobody waits'));
  await expect(ask({ ...reader, signal }, `${SLOW} /* ${mark} */`, { mark })).rejects.toThrow('nobody waits');
  expect(await isUnderWay(mark)).toBe(false);
});

test('a part that fails ends the questions of the others', async () => {
  const { config, database } = ledger;
  const proxy = await startCuttingProxy(config.clickhouse.url);
  const clickhouse = createClickHouse({ clickhouse: { ...config.clickhouse, url: proxy.url } });
  let waiting = 0;
  const { promise: allWait, resolve } = Promise.withResolvers<void>();
  proxy.before = ({ socket }) => {
    waiting += 1;
    socket.once('close', () => {
      waiting -= 1;
    });
    if (waiting === 4) resolve();
    return new Promise(() => {});
  };
  const readKeptSince = async (): Promise<null> => {
    await allWait;
    throw new Error('one part is lacking');
  };
  const context = { clickhouse, database, readKeptSince };
  const range = { from: null, to: null };
  const request = { tenantId: 't', campaignId: 'c', range, by: null, generatedAt: 0 };
  await expect(makeCampaignReport(context, request)).rejects.toThrow('one part is lacking');
  await eventually(() => waiting === 0, { what: 'the end of the others' });
  await clickhouse.close();
  await proxy.close();
});
