/** A report made again: the same, whatever has come and gone since; or it says why it is not. And its formats, by readers that are not ours. */
import { createHash } from 'node:crypto';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import schema from '../../../../schemas/report/user-report.schema.json' with { type: 'json' };
import { change, definition, delivery, feedback } from '../../../helpers/ledger-values.ts';
import { noonOf, produceDays, runWith } from '../../../helpers/past-days.ts';
import { WholeLedger } from '../../../helpers/whole-ledger.ts';

const MAIN = new URL('../../../../pipelines/main.ts', import.meta.url).pathname;

let ledger: WholeLedger;
let first: string;
beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
  await produceDays(ledger, [100, 90, 40, 10, 0]);
  await produceProfile('free', 120);
  await produceProfile('pro', 20);
  await define('Spring is here', 120);
  await pass(['tracking', 'profiles', 'archive']);
  first = join(ledger.folder, 'first.json');
  await written(first);
});
afterAll(() => ledger?.[Symbol.asyncDispose]());

type Name = 'tracking' | 'profiles' | 'archive';

async function pass(names: readonly Name[]): Promise<void> {
  const running = ledger.start([...names]);
  await ledger.caughtUp([...names]);
  await running.kill();
}

async function produceProfile(plan: string, age: number, id = `${plan}-${age}`): Promise<void> {
  const value = change({
    ...{ user_id: 'ann', change_id: id, changed_at: noonOf(age) - 1_000 },
    attributes: JSON.stringify({ plan, account: '=1+1' }),
  });
  await ledger.harness.produce('profiles', [
    { key: 'acme/ann', value: ledger.harness.encode('profiles', value) },
  ]);
}

async function define(name: string, age: number): Promise<void> {
  const value = definition({ name, updated_at: noonOf(age) });
  await ledger.harness.produce('definitions', [
    { key: 'acme/spring', value: ledger.harness.encode('definitions', value) },
  ]);
}

const report = (...options: string[]) =>
  ledger.command('report', 'user', '--tenant', 'acme', '--user', 'ann', ...options);

async function written(file: string, ...options: string[]): Promise<void> {
  const { exitCode, stderr } = await report('--out', file, ...options);
  expect(exitCode, stderr).toBe(0);
}

async function rerun(file: string, ...options: string[]) {
  return ledger.command('report', 'rerun', file, ...options);
}

describe('formats', () => {
  it('JSON is as its schema says', async () => {
    const validate = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false }).compile(schema);
    for (const options of [
      [],
      ['--known-at', new Date().toISOString()],
      ['--local-only'],
      ['--from', '2200-01-01'],
    ]) {
      const made = JSON.parse((await report(...options)).stdout);
      expect(validate(made), JSON.stringify(validate.errors)).toBe(true);
      expect(validate({ ...made, records: [{ ...made.records[0], sent_at: 'noon' }] })).toBe(false);
    }
  });

  it('the digest is what its description says', async () => {
    const { report: header, records, profile_versions } = JSON.parse(await readFile(first, 'utf8'));
    const inOrder = (_key: string, value: unknown): unknown =>
      value === null || typeof value !== 'object' || Array.isArray(value)
        ? value
        : Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
    const lines = [...records, ...profile_versions].map((one) => `${JSON.stringify(one, inOrder)}\n`);
    expect(header.digest).toBe(`sha256:${createHash('sha256').update(lines.join('')).digest('hex')}`);
  });

  it('NDJSON says the same, line by line, every version before the record that names it', async () => {
    const whole = JSON.parse(await readFile(first, 'utf8'));
    const lines = (await report('--format', 'ndjson')).stdout.trim().split('\n');
    const parsed = lines.map((line) => JSON.parse(line));
    expect(parsed.flatMap((one) => one.record ?? [])).toEqual(whole.records);
    expect(parsed.flatMap((one) => one.profile_version ?? [])).toEqual(whole.profile_versions);
    expect(parsed[0].report.digest).toBe(whole.report.digest);
    expect(parsed.findIndex((one) => one.record)).toBeGreaterThan(
      parsed.findLastIndex((one) => one.profile_version),
    );
  });

  it('CSV has a row for each event, which DuckDB reads; what would be a formula is none', async () => {
    const whole = JSON.parse(await readFile(first, 'utf8'));
    const file = join(ledger.folder, 'report.csv');
    await written(file, '--format', 'csv');
    const connection = await (await DuckDBInstance.create()).connect();
    const rows = (
      await connection.runAndReadAll(
        `SELECT message_id, type, event_id, occurred_at, profile_valid_from, profile->>'plan' AS plan, sent_profile_version::INTEGER AS version
         FROM read_csv('${file}', all_varchar = true)`,
      )
    ).getRowObjects();
    connection.closeSync();
    interface Entry {
      readonly profile: { readonly valid_from: string; readonly version: number };
      readonly [name: string]: unknown;
    }
    interface Told extends Entry {
      readonly delivery: readonly Entry[];
      readonly feedback: readonly Entry[];
    }
    const plans = new Map<string, string>(
      whole.profile_versions.map((one: { valid_from: string; attributes: { plan: string } }) => [
        one.valid_from,
        one.attributes.plan,
      ]),
    );
    const expected = (whole.records as readonly Told[]).flatMap(({ delivery, feedback, ...record }) =>
      [...delivery, ...feedback].map((entry) => ({
        message_id: record.message_id,
        type: entry.type,
        event_id: entry.event_id,
        occurred_at: entry.occurred_at,
        profile_valid_from: entry.profile.valid_from,
        plan: plans.get(entry.profile.valid_from),
        version: record.profile.version,
      })),
    );
    expect(rows).toEqual(expected);
    expect(await readFile(file, 'utf8')).not.toMatch(/(^|,)"?[=+@]/m);
  });
});

describe('again', () => {
  it('after more events, late changes, a renamed campaign, retention and a rebuilt ClickHouse: the same', async () => {
    const knownThen = join(ledger.folder, 'known.ndjson');
    await written(
      knownThen,
      '--format',
      'ndjson',
      '--known-at',
      new Date().toISOString(),
      '--by',
      'interaction',
      '--from',
      '2020-01-01',
    );
    const same = async () => {
      for (const file of [first, knownThen]) {
        const { exitCode, stderr } = await rerun(file);
        expect(exitCode, stderr).toBe(0);
        expect(stderr).toMatch(/the same: sha256:[0-9a-f]{64}, \d+ records, \d+ profile versions/);
      }
    };
    await same();
    await produceDays(ledger, [90, 5], { tag: '-more' });
    await produceProfile('late', 95);
    await produceProfile('vip', 1);
    await define('Renamed', 1);
    // Some of it is archived and nowhere else.
    await pass(['archive']);
    await same();
    await pass(['tracking', 'profiles', 'archive']);
    await same();
    const now = JSON.parse((await report()).stdout);
    expect(now.records[0].campaign.name).toBe('Renamed');
    expect(now.report.digest).not.toBe(JSON.parse(await readFile(first, 'utf8')).report.digest);
    await runWith(ledger, { tracking: { ttlDays: 30 }, messages: { ttlDays: null }, maxBytes: null });
    await same();
    const tables = await ledger.rows<{ name: string }>(
      `SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name != 'migrations'`,
    );
    for (const { name } of tables) await ledger.harness.client.command({ query: `TRUNCATE TABLE ${name}` });
    await same();
    const unreachable = await rerun(first, '--local-only');
    expect(unreachable.exitCode).toBe(1);
    expect(unreachable.stderr).toMatch(
      /offsets \d+ to \d+ of \S+\/\d+ \(topic id [0-9a-f]{32}\), which the report stood on, are neither in ClickHouse nor in the archive/,
    );
    const restored = await ledger.command('archive', 'restore', '--all');
    expect(restored.exitCode, restored.stderr).toBe(0);
    await same();
    const printed = await rerun(first, '--format', 'json');
    const [again, then] = [JSON.parse(printed.stdout), JSON.parse(await readFile(first, 'utf8'))];
    expect([again.records, again.profile_versions]).toEqual([then.records, then.profile_versions]);
  });

  it('rows that other hands removed are named, with what tells more', async () => {
    const { records } = JSON.parse(await readFile(first, 'utf8'));
    const { message_id } = records.at(-1);
    await ledger.harness.client.command({
      query: `DELETE FROM events WHERE message_id = {message:String}`,
      query_params: { message: message_id },
      clickhouse_settings: { lightweight_deletes_sync: '2' },
    });
    const { exitCode, stderr } = await rerun(first);
    expect(exitCode, stderr).toBe(3);
    expect(stderr).toMatch(/not the same: \S+ has sha256:\S+, now it is sha256:/);
    expect(stderr).toContain(`1 messages that are missing now: "${message_id}"`);
    expect(stderr).toContain('rows may have been changed or removed by other hands');

    // However the file comes, it is read once: through a pipe, or from where the new report is to go.
    const pipe = 'cat "$0" | "$@" report rerun /dev/stdin';
    const args = ['-c', `${pipe} --config ${ledger.configFile}`, first, process.execPath, MAIN];
    const piped = await execa('bash', args, { reject: false });
    expect(piped.exitCode, piped.stderr).toBe(3);
    expect(piped.stderr).toContain(`1 messages that are missing now: "${message_id}"`);
    const own = join(ledger.folder, 'own.json');
    await copyFile(first, own);
    const replaced = await rerun(own, '--out', own);
    expect(replaced.stderr).toContain(`1 messages that are missing now: "${message_id}"`);
    expect(await rerun(own)).toMatchObject({ exitCode: 0 });
  });

  it.each([
    [
      'altered',
      (text: string) => text.replace('"plan": "free"', '"plan": "vip"'),
      1,
      /was altered after it was written/,
    ],
    ['no report', () => '{"report": {"format": 2}}', 2, /is no report that can be made again: .*format/],
    ['no JSON', () => 'sent_at,type', 2, /is neither JSON nor NDJSON/],
  ] as const)('a file that is %s is refused', async (name, altered, code, reason) => {
    const file = join(ledger.folder, `${name}.json`);
    await writeFile(file, altered(await readFile(first, 'utf8')));
    const { exitCode, stderr } = await rerun(file);
    expect(exitCode).toBe(code);
    expect(stderr).toMatch(reason);
  });

  it('a file that is not there is said to be so', async () => {
    expect(await rerun('/nowhere.json')).toMatchObject({ exitCode: 2 });
  });
});

it('ids with quotes, slashes and unicode, and a hostile link come through every format; one of 10 kB is nobody', async () => {
  const link = 'javascript:alert("1")\n<script>';
  const user = `o'neil/"é"😀${'x'.repeat(100)}`;
  const ids = { user_id: user, message_id: `m/'"\\`, occurred_at: noonOf(1) };
  const { harness } = ledger;
  const sent = harness.encode('delivery', delivery({ ...ids, event_id: '=cmd' }));
  await harness.produce('delivery', [{ key: 'k', value: sent }]);
  await harness.produce('feedback', [
    { key: 'k', value: harness.encode('feedback', feedback({ ...ids, link })) },
  ]);
  await pass(['tracking', 'archive']);
  const asked = (id: string, format: string) =>
    ledger.command('report', 'user', '--tenant', 'acme', '--user', id, '--format', format);
  const of = async (format: string) => (await asked(user, format)).stdout;
  const [record] = JSON.parse(await of('json')).records;
  expect(record).toMatchObject({
    message_id: ids.message_id,
    feedback: [{ link }],
    delivery: [{ event_id: '=cmd' }],
  });
  expect(await of('ndjson')).toContain(JSON.stringify({ record }));
  expect(await of('csv')).toContain(`,'=cmd,SENT,`);
  expect(await of('table')).toContain('clicked');
  const nobody = await asked('x'.repeat(10_000), 'json');
  expect([nobody.exitCode, JSON.parse(nobody.stdout).records]).toEqual([0, []]);
  expect(nobody.stderr).toContain('nothing is stored of user');
});
