/**
 * What people come for, the whole way: out of Kafka's records of a simulated world, who was this user when they clicked? Read from the
 * page in a real browser, from the answer over HTTP, and once more after everything has gone on. Who they were is computed from Kafka's records alone.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { request } from 'undici';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { tenants } from '../../deploy/local/world/catalogue.ts';
import { produceWorld } from '../../deploy/local/world/produce-world.ts';
import type { UserReport } from '../../pipelines/report/report.ts';
import { newKey } from '../../pipelines/serve/auth/key-file.ts';
import { gatherEvidence } from '../helpers/audit.ts';
import { describeInBrowser, keepPicture } from '../helpers/browser.ts';
import { expectedEvents, expectedVersions } from '../helpers/ledger-oracle.ts';
import { change } from '../helpers/ledger-values.ts';
import type { PipelineChild } from '../helpers/pipeline-child.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';

/** One person who clicked, and whose plan was another one when the message was sent, or is another one today. */
interface Clicker {
  readonly tenant: string;
  readonly user: string;
  readonly message: string;
  readonly clickedAt: number;
  /** Undefined where the profile did not say. */
  readonly plan: { readonly atClick: unknown; readonly today: unknown };
}

let ledger: WholeLedger;
let clicker: Clicker;
let service: PipelineChild;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
  await produceWorld({
    config: ledger.config,
    seed: 5,
    events: 4_000,
    malformed: 0,
    until: Date.UTC(2026, 9, 1),
  });
  await pipelinesHaveCaughtUp();
  clicker = await someClicker();
  const keysFile = join(ledger.folder, 'keys.yaml');
  const keys = tenants.map((tenant) => {
    const { token, entry } = newKey({ id: tenant, tenants: [tenant], scopes: ['reports:read'] });
    tokens[tenant] = token;
    return entry;
  });
  await writeFile(keysFile, `keys:\n${keys.join('')}`, { mode: 0o600 });
  const configFile = await ledger.configured('serve', { serve: { port: 0, auth: { keysFile } } });
  service = ledger.startCommand('serve', [], { configFile });
  await service.until('the service', () => address() !== undefined);
});
afterAll(() => ledger?.[Symbol.asyncDispose]());

const address = () => service.log.find(({ msg }) => msg === 'reports are served')?.url;

async function pipelinesHaveCaughtUp(): Promise<void> {
  const running = ledger.start();
  await ledger.caughtUp();
  expect(await running.stop()).toEqual({ code: 0, signal: null });
}

/** Out of what a plain consumer reads. */
async function someClicker(): Promise<Clicker> {
  const { judged } = await gatherEvidence(ledger);
  const { delivery, feedback, profiles } = judged;
  const versions = expectedVersions(profiles.good);
  const planAt = (key: string, time: number): unknown => {
    const version = versions.get(key)?.findLast(({ valid_from }) => valid_from <= time);
    return version?.status === 'found' ? (version.attributes as { plan?: unknown }).plan : undefined;
  };
  const clickers = [...expectedEvents({ delivery: delivery.good, feedback: feedback.good }).values()]
    .filter(({ type, is_machine }) => type === 'CLICKED' && is_machine === false)
    .map((event): Clicker => {
      const { tenant_id: tenant, user_id: user, message_id: message, occurred_at: clickedAt } = event;
      const key = JSON.stringify([tenant, user]);
      const plan = { atClick: planAt(key, clickedAt), today: planAt(key, Date.now()) };
      return { tenant, user, message, clickedAt, plan };
    });
  const found = clickers.find(
    ({ plan: { atClick, today } }) =>
      typeof atClick === 'string' && typeof today === 'string' && atClick !== today,
  );
  if (found === undefined) throw new Error('nobody in this world clicked and has had another plan since');
  return found;
}

const report = (...options: readonly string[]) =>
  ledger.command('report', 'user', '--tenant', clicker.tenant, '--user', clicker.user, ...options);

/** What a program reads in the answer. */
function planAtClick({ records, profile_versions: versions }: UserReport): unknown {
  const click = records
    .find(({ message_id }) => message_id === clicker.message)
    ?.feedback.find(
      ({ type, occurred_at }) => type === 'CLICKED' && Date.parse(occurred_at) === clicker.clickedAt,
    );
  const version = versions.find(({ valid_from }) => valid_from === click?.profile.valid_from);
  return version?.attributes.plan;
}

async function get(tenant: string, format: string) {
  const { tenant: owner, user } = clicker;
  const answer = await request(
    `${address()}/v1/users/${encodeURIComponent(user)}/report?tenant_id=${owner}&format=${format}`,
    { headers: { authorization: `Bearer ${tokens[tenant]}` } },
  );
  return { status: answer.statusCode, text: await answer.body.text() };
}

describeInBrowser('the page', (browser) => {
  test.each(['by the command', 'over HTTP'])('%s says which plan it was at the click', async (way) => {
    const html =
      way === 'over HTTP'
        ? (await get(clicker.tenant, 'html')).text
        : (await report('--format', 'html')).stdout;
    const { page, troubles } = await browser.open(html);
    expect(await page.locator('h1').textContent()).toBe(clicker.user);
    const record = page.locator('details.record', { hasText: clicker.message });
    await record.locator('summary').click();
    await record.locator('table.profile').waitFor();
    const time = new Date(clicker.clickedAt).toISOString().slice(11, -1);
    const click = record.locator('ol.entries > li', { hasText: time }).filter({ hasText: 'Clicked' });
    expect(await click.count()).toBe(1);
    expect(await planBeside(click, record)).toBe(clicker.plan.atClick);
    const today = (await planCells(record)).at(-1);
    expect(today).toContain(String(clicker.plan.today));
    expect(today).toContain('different');
    expect(troubles).toEqual([]);
    if (way === 'by the command') await keepPicture(page, 'who-were-they');
  });
});

/** What the record's table has of the plan: at the message before, then, today. */
function planCells(record: Locator): Promise<string[]> {
  const row = record.locator('table.profile tbody tr');
  return row
    .filter({ has: record.page().locator('th', { hasText: /^plan$/ }) })
    .locator('td')
    .allInnerTexts();
}

/** Where the profile had changed since the send, the click says so and leads to the version of its own; else it is the record's. */
async function planBeside(click: Locator, record: Locator): Promise<string | undefined> {
  const own = click.locator('.as a');
  if ((await own.count()) === 0) return (await planCells(record)).at(-2)?.split(/\s/)[0];
  await own.click();
  const [version] = await record
    .page()
    .locator((await own.getAttribute('href')) ?? '')
    .allInnerTexts();
  return /^plan\s+(\S+)/m.exec(version ?? '')?.[1];
}

test('the answer says the same by the command and over HTTP; to another tenant’s token there is no such user', async () => {
  const [printed, told] = [await report(), await get(clicker.tenant, 'json')];
  expect(printed.exitCode, printed.stderr).toBe(0);
  expect(told.status).toBe(200);
  const [here, there] = [JSON.parse(printed.stdout), JSON.parse(told.text)] as [UserReport, UserReport];
  expect(planAtClick(here)).toBe(clicker.plan.atClick);
  expect(planAtClick(there)).toBe(clicker.plan.atClick);
  expect(there.report.digest).toBe(here.report.digest);
  const other = Object.keys(tokens).find((tenant) => tenant !== clicker.tenant) ?? '';
  const refused = await get(other, 'json');
  expect(refused.status).toBe(404);
  expect(refused.text).not.toContain(clicker.tenant);
});

test('it is made again the same after more messages, and after a late change that says otherwise', async () => {
  const file = join(ledger.folder, 'report.json');
  expect((await report('--out', file)).exitCode).toBe(0);
  await produceWorld({
    config: ledger.config,
    seed: 6,
    events: 2_000,
    malformed: 0,
    until: Date.UTC(2026, 9, 1),
  });
  const late = change({
    ...{ tenant_id: clicker.tenant, user_id: clicker.user, change_id: 'late', op: 'PATCH' },
    ...{ changed_at: clicker.clickedAt - 1, attributes: JSON.stringify({ plan: 'another' }) },
  });
  await ledger.harness.produce('profiles', [
    { key: `${clicker.tenant}/${clicker.user}`, value: ledger.harness.encode('profiles', late) },
  ]);
  await pipelinesHaveCaughtUp();
  const again = await ledger.command('report', 'rerun', file, '--format', 'json');
  expect(again.exitCode, again.stderr).toBe(0);
  expect(planAtClick(JSON.parse(again.stdout))).toBe(clicker.plan.atClick);
  const now = JSON.parse((await report()).stdout) as UserReport;
  expect(planAtClick(now)).toBe('another');
  expect(now.report.digest).not.toBe(JSON.parse(again.stdout).report.digest);
});
