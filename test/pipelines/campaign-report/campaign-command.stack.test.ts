/** `report campaign` as people run it: what it prints, says and returns. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { CampaignReport } from '../../../pipelines/campaign-report/report.ts';
import { LedgerDatabase } from '../../helpers/ledger-database.ts';
import { type Answer, ledgerCommand } from '../../helpers/pipeline-child.ts';
import { time } from '../../schemas/clickhouse/event-model.ts';
import { expectAsPublished, isAsPublished } from './published-schema.ts';

const SENT = Date.UTC(2026, 7, 11, 9, 30);
const CAMPAIGN = `<b>"o'c=1"/ü`;

let ledger: LedgerDatabase;
let directory: string;
beforeAll(async () => {
  ledger = await LedgerDatabase.create(inject('configFile'));
  directory = await mkdtemp(join(tmpdir(), 'campaign-report-'));
  const event = {
    tenant_id: 'acme',
    campaign_id: CAMPAIGN,
    message_id: 'm',
    event_id: 'e',
    channel: 'EMAIL',
    occurred_at: time(SENT),
    recorded_at: time(SENT),
    source: `${'0'.repeat(32)}/0`,
  };
  const rows = ['u1', 'u2', 'u3'].flatMap((user_id) => [
    { ...event, user_id, kind: 'delivery', type: 'SENT' },
    { ...event, user_id, kind: 'delivery', type: 'DELIVERED' },
    { ...event, user_id, kind: 'feedback', type: 'OPENED', is_machine: user_id === 'u1' },
  ]);
  await ledger.insert(
    'events',
    rows.map((row, offset) => ({ ...row, offset })),
  );
  const version = {
    tenant_id: 'acme',
    change_ids: ['c'],
    recorded_at: time(SENT),
    fold: '1',
    deleted: false,
  };
  await ledger.insert('profile_versions', [
    {
      ...version,
      user_id: 'u1',
      valid_from: time(SENT),
      version: 1,
      attributes: '{"plan":"<script>","x":1e999}',
    },
    { ...version, user_id: 'u1', valid_from: time(SENT + 1), version: 2, attributes: '{"plan":"=cmd"}' },
    { ...version, user_id: 'u2', valid_from: time(SENT + 1), version: 1, attributes: '{"plan":"=cmd"}' },
  ]);
  await ledger.insert('campaigns', [
    {
      ...{ tenant_id: 'acme', campaign_id: CAMPAIGN, name: '<script>alert(1)</script>', channel: 'EMAIL' },
      ...{ updated_at: time(SENT), recorded_at: time(SENT), source: event.source, offset: 0 },
    },
  ]);
});
afterAll(async () => {
  await ledger[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

function command(...args: readonly string[]): Promise<Answer> {
  return ledgerCommand(['report', 'campaign', '--config', inject('configFile'), ...args], {
    CAMPAIGN_LEDGER_CLICKHOUSE_DATABASE: ledger.database,
    CAMPAIGN_LEDGER_CLICKHOUSE_BI_DATABASE: ledger.bi,
  });
}
const own = ['--tenant', 'acme', '--campaign', CAMPAIGN] as const;

test('JSON has the figures, and who was what then and today', async () => {
  const { stdout, stderr, exitCode } = await command(...own, '--by', 'plan');
  expect([exitCode, stderr]).toEqual([0, '']);
  const { report, totals, send_hours, breakdown } = JSON.parse(stdout) as CampaignReport;
  expect(report).toMatchObject({
    ...{
      format: 1,
      tenant_id: 'acme',
      campaign_id: CAMPAIGN,
      by: '/plan',
      complete_from: null,
      is_partial: false,
    },
    campaign: { name: '<script>alert(1)</script>' },
  });
  expect(totals.figures).toMatchObject({
    sent: 3,
    delivered: 3,
    opens: 2,
    machine_opens: 1,
    unique_opens: 2,
  });
  expect(totals.rates).toMatchObject({ delivery_rate: 1, open_rate: 2 / 3, click_to_open_rate: 0 });
  expect(send_hours.map(({ hour }) => hour)).toEqual(['2026-08-11T09:00:00.000Z']);
  expect(breakdown?.flow.map((one) => [one.at_send.status, one.at_send.value, one.today.value])).toEqual([
    ['found', '<script>', '=cmd'],
    ['none_yet', null, '=cmd'],
    ['none_yet', null, null],
  ]);
  expect(breakdown?.changed_recipients).toBe(2);
});

/** Each copy of the value with one member of it, however deep, taken away or replaced by what is none. */
function* spoilt(value: unknown): Generator<[where: string, spoilt: unknown]> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    const withMember = (other: unknown) => {
      if (Array.isArray(value)) return value.with(Number(key), other);
      return { ...value, [key]: other };
    };
    if (!Array.isArray(value)) yield [`without ${key}`, withMember(undefined)];
    yield [`another ${key}`, withMember([[]])];
    for (const [where, other] of spoilt(member)) yield [`${key} ${where}`, withMember(other)];
  }
}

test('JSON is as its schema says, and nothing else is: with and without an attribute, of a range, of no campaign', async () => {
  const asked = [own, [...own, '--by', 'plan'], [...own, '--by', '/plan', '--from', '2026-08-12']];
  for (const args of [...asked, ['--tenant', 'acme', '--campaign', 'none']]) {
    const report: unknown = JSON.parse((await command(...args)).stdout);
    expectAsPublished(report);
    let spoils = 0;
    for (const [where, other] of spoilt(report)) {
      expect(isAsPublished(JSON.parse(JSON.stringify(other))), where).toBe(false);
      spoils += 1;
    }
    expect(spoils).toBeGreaterThan(100);
    // Later versions may add to it.
    expect(isAsPublished({ ...(report as object), more: 1 })).toBe(true);
  }
});

test('a page and a CSV file run nothing, and a file is there whole or not at all', async () => {
  for (const format of ['html', 'csv', 'table']) {
    const out = join(directory, format);
    expect(await command(...own, '--by', 'plan', '--format', format, '--out', out)).toMatchObject({
      exitCode: 0,
      stdout: '',
    });
    const text = await readFile(out, 'utf8');
    if (format === 'html') expect(text).not.toContain('<script');
    if (format === 'csv') expect(text).toContain("string,'=cmd");
  }
  const { exitCode, stderr } = await command(...own, '--out', join(directory, 'no', 'where'));
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining('--out: cannot write')]);
  expect((await readdir(directory)).sort()).toEqual(['csv', 'html', 'table']);
});

test('a range takes messages by when they were sent', async () => {
  const { stdout } = await command(...own, '--from', '2026-08-12', '--by', 'plan');
  const { report, totals, event_hours } = JSON.parse(stdout) as CampaignReport;
  expect([report.from, totals.figures.messages, event_hours]).toEqual(['2026-08-12T00:00:00.000Z', 0, []]);
});

test('who is not there gets an empty report, another tenant the very same', async () => {
  const texts = await Promise.all(
    (['other', 'nobody'] as const).map(async (tenant) => {
      const { stdout, stderr, exitCode } = await command('--tenant', tenant, '--campaign', CAMPAIGN);
      expect(exitCode).toBe(0);
      const { report, ...rest } = JSON.parse(stdout) as CampaignReport;
      expect(rest.totals.figures.messages).toBe(0);
      return [stderr.replaceAll(tenant, 'T'), JSON.stringify(rest)];
    }),
  );
  expect(texts[0]).toEqual(texts[1]);
  expect(texts[0]?.[0]).toContain('nothing is stored of campaign');
});

describe('wrong usage says what to type instead', () => {
  test.each([
    [['--by', 'plna'], /"plna".*on the top level there are: plan, x/],
    [['--by', 'a..b'], /JSON pointer/],
    [['--from', '2026-08-11T09:00:00'], /with its zone/],
    [['--from', '2026-08-12', '--to', '2026-08-11'], /--from 2026-08-12 is after --to 2026-08-11/],
    [['--tenant', ''], /--tenant: is empty/],
    [['--format', 'pdf'], /html/],
  ])('%j', async (args, message) => {
    const { exitCode, stdout, stderr } = await command(...own, ...args);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });
});
