/** Reports that ask together say what each of them would say alone, wherever the rows are, also while days leave ClickHouse. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { systemClock } from '../../../pipelines/common/clock.ts';
import type { ReportContext } from '../../../pipelines/report/user-report.ts';
import { openReportSource, type ReportSource } from '../../../pipelines/serve/report-source.ts';
import { madeReport } from '../../helpers/made-report.ts';
import { DAY_MS, madeRecords, START, TwoHorizons, USERS } from '../../helpers/two-horizons.ts';

const dayText = (time: number) => new Date(time).toISOString().slice(0, 10);

let world: TwoHorizons;
let source: ReportSource;
beforeAll(async () => {
  world = await TwoHorizons.create(inject('configFile'));
  const records = madeRecords(240, 21);
  await world.write(records.slice(0, 120));
  await world.exportThrough(dayText(START + 30 * DAY_MS));
  await world.write(records.slice(120, 180));
  await world.write(records.slice(180), { isTracked: false });
  source = openReportSource(world.harness.config, systemClock);
});
afterAll(async () => {
  await source?.close();
  await world?.[Symbol.asyncDispose]();
});

const everything = { from: null, to: null };

async function answer(context: ReportContext, userId: string): Promise<object> {
  const { report, ...body } = await madeReport(context, {
    ...{ tenantId: 'acme', userId, range: everything, generatedAt: 0 },
  });
  return { ...body, digest: report.digest };
}

const manyAtOnce = () =>
  Promise.all(
    [1, 2].flatMap(() => USERS.map(async (user) => [user, await answer(source.context, user)] as const)),
  );

it('before, and in the middle of it', async () => {
  const alone = new Map<string, object>();
  for (const user of USERS) alone.set(user, await answer(world.wholeContext, user));
  for (const [user, told] of await manyAtOnce()) expect(told).toEqual(alone.get(user));
  // While days leave ClickHouse for the cold tier, each row is seen in one place or the other.
  const [during] = await Promise.all([manyAtOnce(), world.exportThrough(dayText(START + 60 * DAY_MS))]);
  for (const [user, told] of during) expect(told).toEqual(alone.get(user));
});
