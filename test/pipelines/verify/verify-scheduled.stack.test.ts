/** `verify --every`: checks again and again, says so in metrics, and outlives an outage. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { delivery } from '../../helpers/ledger-values.ts';
import type { PipelineChild } from '../../helpers/pipeline-child.ts';
import { WholeLedger } from '../../helpers/whole-ledger.ts';

let ledger: WholeLedger;

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
  const values = Array.from({ length: 5 }, (_, index) =>
    ledger.harness.encode('delivery', delivery({ event_id: `e${index}` })),
  );
  await ledger.harness.produce(
    'delivery',
    values.map((value) => ({ value, partition: 0 })),
  );
  const running = ledger.start();
  await ledger.caughtUp();
  await running.stop();
});
afterAll(() => ledger[Symbol.asyncDispose]());

const runs = ({ log }: PipelineChild) => log.filter((line) => 'discrepancy_counts' in line);

it('finds in a later check what was not yet wrong in an earlier one, and keeps the time of the clean one', async () => {
  const scheduled = ledger.startCommand('verify', ['--deep', '--format', 'json', '--every', '1s']);
  await scheduled.until('two checks', () => runs(scheduled).length >= 2);
  const names = ['last_clean', 'last_run'].map((name) => `ledger_verify_${name}_timestamp_seconds`);
  const times = async () => Promise.all(names.map((name) => scheduled.metric(name)));
  const [clean = 0, run = -1] = await times();
  expect(clean).toBeGreaterThan(0);
  expect(run).toBeGreaterThanOrEqual(clean);
  expect(await scheduled.metric('ledger_verify_discrepancies')).toBe(0);

  await ledger.harness.client.command({
    query: 'ALTER TABLE events DELETE WHERE offset = 3',
    clickhouse_settings: { mutations_sync: '2' },
  });
  const found = () => scheduled.metric('ledger_verify_discrepancies', { code: 'row_missing' });
  await scheduled.until('the missing row', async () => (await found()) === 1);
  const [cleanNow = 0, runNow = 0] = await times();
  expect(runNow).toBeGreaterThan(cleanNow);
  expect(await scheduled.stop()).toEqual({ code: 0, signal: null });
});

it('goes on while a service is away', async () => {
  const away = await ledger.configured('away', {
    clickhouse: { url: 'http://127.0.0.1:9' },
    retry: { initialMs: 10, maxMs: 20 },
  });
  const scheduled = ledger.startCommand('verify', ['--every', '1s'], { configFile: away });
  await scheduled.until('two failed checks', () => {
    const failed = scheduled.log.filter(({ msg }) => msg === 'the check could not come to an end');
    expect(failed.every(({ service }) => service === 'clickhouse')).toBe(true);
    return failed.length >= 2;
  });
  expect(await scheduled.metric('ledger_verify_failed')).toBe(1);
  expect(await scheduled.get('/healthz')).toMatchObject({ status: 200 });
  expect(await scheduled.stop()).toEqual({ code: 0, signal: null });
});
