/** `verify` when days have left ClickHouse: what the cold tier answers for is no discrepancy, what nobody does is one. */
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import type { TopicRole } from '../../../config/topics.ts';
import { type ColdRow, compareRows, EVENTS, PROFILE_CHANGES } from '../../../pipelines/cold/cold-table.ts';
import { type FileList, fileListOf, type ListedFile } from '../../../pipelines/cold/file-list.ts';
import { ParquetReader } from '../../../pipelines/cold/read-parquet.ts';
import { selectColdRows } from '../../../pipelines/cold/select-rows.ts';
import { checkWith } from '../../../pipelines/verify/run-verify.ts';
import type { Verdict } from '../../../pipelines/verify/verdict.ts';
import { verdictText } from '../../../pipelines/verify/verdict-text.ts';
import { DAY_MS, dayText, FIRST_DAY } from '../../helpers/cold-table-rows.ts';
import { change, delivery, feedback } from '../../helpers/ledger-values.ts';
import { coldStoreOf, containerOf, exportDays, letDaysGo } from '../../helpers/let-days-go.ts';
import { Producer } from '../../helpers/runner-harness.ts';
import { ROLES, WholeLedger } from '../../helpers/whole-ledger.ts';

const USERS = 3;
const EVERY = { offsets: [], time: { from: null, to: null } };
/** Of August, days 0 and 1 are exported first, then 2 as well; 3 stays. */
const DAYS = [0, 1, 2, 3];

let ledger: WholeLedger;
let topicIds: ReadonlyMap<string, string>;

const timeOf = (day: number, index = 0) => FIRST_DAY + day * DAY_MS + 3_600_000 + index;
const sourceOf = (role: TopicRole, partition: number) => `${topicIds.get(ledger.topic(role))}/${partition}`;

/** Each day two events of each user. */
function deliveries(change: object = {}): Buffer[] {
  return DAYS.flatMap((day) =>
    Array.from({ length: USERS * 2 }, (_, index) =>
      ledger.harness.encode(
        'delivery',
        delivery({
          event_id: `e${day}-${index}`,
          message_id: `m${day}-${index}`,
          user_id: `u${index % USERS}`,
          occurred_at: timeOf(day, index),
          ...change,
        }),
      ),
    ),
  );
}

async function produce(role: TopicRole, partition: number, values: readonly Buffer[]): Promise<void> {
  await ledger.harness.produce(
    role,
    values.map((value) => ({ value, partition, key: 'acme/u1' })),
  );
}

async function runToTheEnd(): Promise<void> {
  const running = ledger.start();
  await ledger.caughtUp();
  expect(await running.stop()).toEqual({ code: 0, signal: null });
}

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
  topicIds = await ledger.topicIds();
  const producer = await Producer.connect(ledger.config, ledger.topic('delivery'), { transactional: true });
  // Offsets 0 to 23, a marker at 24.
  await producer.commit(0, deliveries());
  await producer.close();
  // Copies: at the same time, under another campaign, on another day, and one that no reader can decode.
  await produce('delivery', 1, deliveries());
  await produce('delivery', 2, [
    ...deliveries({ campaign_id: 'autumn' }),
    ...deliveries({ occurred_at: timeOf(1) }),
    Buffer.from('no Avro'),
  ]);
  await produce(
    'feedback',
    0,
    DAYS.map((day) =>
      ledger.harness.encode('feedback', feedback({ event_id: `f${day}`, occurred_at: timeOf(day) })),
    ),
  );
  await produce('profiles', 0, [
    ledger.harness.encode('profiles', change()),
    ledger.harness.encode('profiles', change({ change_id: 'c2', op: 'PATCH' })),
  ]);
  await runToTheEnd();
  // What merges leave out of copies is out before anything is exported.
  for (const table of ['events', 'message_events']) {
    await ledger.harness.client.command({ query: `OPTIMIZE TABLE ${table} FINAL` });
  }
  await exportDays(ledger, dayText(1));
  await letDaysGo(ledger, DAYS.map(dayText));
  // Late for days that have gone: events of their own, and copies of what is no longer there.
  await produce('delivery', 1, [
    ...deliveries().slice(0, 8),
    ...deliveries({ event_id: 'late' }).slice(0, 8),
  ]);
  await runToTheEnd();
});
afterAll(() => ledger[Symbol.asyncDispose]());

function check(isDeep: boolean, roles: readonly TopicRole[] = ROLES): Promise<Verdict> {
  return checkWith(ledger.harness.dependencies(), { roles, scope: EVERY, isDeep });
}

type Found = readonly [code: string, partition: number | null, first: number | null, last: number | null];

const found = ({ discrepancies }: Verdict): Found[] =>
  discrepancies.map(({ code, partition, first, last }): Found => [code, partition, first, last]);

const tallyOf = ({ partitions }: Verdict, role: TopicRole, partition: number) =>
  partitions.find(({ source }) => source.topic === ledger.topic(role) && source.partition === partition)
    ?.deep;

async function rowsOf(role: TopicRole, partition: number): Promise<number> {
  const [row] = await ledger.rows<{ rows: string }>(
    'SELECT toString(uniqExact(offset)) AS rows FROM events WHERE source = {source:String}',
    { source: sourceOf(role, partition) },
  );
  return Number(row?.rows);
}

describe('days that have gone', () => {
  test('are answered for by the cold tier, record by record', async () => {
    const verdict = await check(true);
    expect(verdict.discrepancies).toEqual([]);
    // The originals of two days, of four.
    expect(await rowsOf('delivery', 0)).toBe(12);
    expect(tallyOf(verdict, 'delivery', 0)).toMatchObject({
      records: 24,
      rows: 12,
      cold: 12,
      copies: 0,
      hidden: 0,
    });
    expect(tallyOf(verdict, 'feedback', 0)).toMatchObject({ records: 4, rows: 2, cold: 2 });
    for (const partition of [1, 2]) {
      const tally = tallyOf(verdict, 'delivery', partition);
      expect(tally?.rows).toBe(await rowsOf('delivery', partition));
      expect(tally?.records).toBe(partition === 1 ? 40 : 49);
      expect((tally?.rows ?? 0) + (tally?.cold ?? 0) + (tally?.copies ?? 0) + (tally?.letters ?? 0)).toBe(
        tally?.records,
      );
      expect(tally?.copies).toBeGreaterThan(0);
    }
    expect(verdict.derived.map(({ checked }) => checked !== null)).toEqual([true, true]);
  });

  test('leave nothing to say to names and counts, but what they cannot tell', async () => {
    const verdict = await check(false);
    expect(verdict.discrepancies).toEqual([]);
    const [cold] = await coldFiles();
    expect(verdict.cold).toMatchObject({
      through: dayText(1),
      read: null,
      files: (await coldFiles()).length,
    });
    expect(cold?.rows).toBeGreaterThan(0);
    const text = verdictText(verdict);
    expect(text).toMatch(/no row of their own: in the cold tier, copies, dead letters or missing/);
    expect(text).toMatch(/cold tier: answers for rows that have left ClickHouse .* by name and size only/);
  });

  test('and so are more, exported since', async () => {
    await exportDays(ledger, dayText(2));
    await letDaysGo(ledger, DAYS.map(dayText));
    expect(await rowsOf('delivery', 0)).toBe(6);
    const verdict = await check(true);
    expect(verdict.discrepancies).toEqual([]);
    expect(tallyOf(verdict, 'delivery', 0)).toMatchObject({ rows: 6, cold: 18, copies: 0 });
    expect((await check(true, ['feedback'])).discrepancies).toEqual([]);
  });

  test('tracking rows that passed their own time are no discrepancy either', async () => {
    const { client } = ledger.harness;
    const saved = await ledger.rows<{ rows: string }>(
      'SELECT toString(count()) AS rows FROM message_events FINAL',
    );
    await client.command({
      query: 'CREATE TABLE kept_events ENGINE = Memory AS SELECT * FROM message_events',
    });
    await client.command({
      query: 'ALTER TABLE message_events DELETE WHERE 1',
      clickhouse_settings: { mutations_sync: '2' },
    });
    const config = { ...ledger.config, retention: { ...ledger.config.retention, messages: { ttlDays: 1 } } };
    const question = { roles: ROLES, scope: EVERY, isDeep: true };
    const verdict = await checkWith({ ...ledger.harness.dependencies(), config }, question);
    expect(verdict.discrepancies).toEqual([]);
    // Within their time they are missed, where events has what they were made of.
    const codes = new Set(found(await check(true)).map(([code]) => code));
    expect([...codes]).toEqual(['message_event_missing']);
    await client.command({ query: 'INSERT INTO message_events SELECT * FROM kept_events' });
    expect(await ledger.rows('SELECT toString(count()) AS rows FROM message_events FINAL')).toEqual(saved);
    expect((await check(true)).discrepancies).toEqual([]);
  });
});

test('profile changes that have gone are looked for in the cold tier too', async () => {
  const { client } = ledger.harness;
  const store = coldStoreOf(ledger);
  const held = await store.readManifest();
  const source = sourceOf('profiles', 0);
  const where = { sql: 'source = {source:String} AND offset = 0', parameters: { source } };
  const path = 'tracking/profile_changes/changes.parquet';
  const file = await store.writeFile(PROFILE_CHANGES, path, selectColdRows(client, PROFILE_CHANGES, where));
  if (file === null) throw new Error('there is no change to export');
  const files = await store.writeList('tracking/profile_changes/', fileListOf([file]));
  const now = await store.replaceManifest(held, {
    ...held.manifest,
    profile_changes: { next: { [source]: 2 }, pending: null, trimmedTo: null, files },
  });
  await client.command({
    query: 'CREATE TABLE kept_changes ENGINE = Memory AS SELECT * FROM profile_changes',
  });
  await client.command({
    query: 'ALTER TABLE profile_changes DELETE WHERE 1',
    clickhouse_settings: { mutations_sync: '2' },
  });
  // Of these offsets alone: what the versions are made of is another question.
  const offsets = [{ topic: ledger.topic('profiles'), partition: 0, first: 0, last: 1_000 }];
  const scope = { ...EVERY, offsets };
  const question = { roles: ['profiles'], scope, isDeep: true } as const;
  const verdict = await checkWith(ledger.harness.dependencies(), question);
  // The second change is nowhere.
  expect(found(verdict)).toEqual([['row_missing', 0, 1, 1]]);
  expect(tallyOf(verdict, 'profiles', 0)).toMatchObject({ rows: 0, cold: 1 });
  await client.command({ query: 'INSERT INTO profile_changes SELECT * FROM kept_changes' });
  await store.replaceManifest(now, held.manifest);
});

/** Files that count, of all months. */
async function coldFiles(): Promise<ListedFile[]> {
  const store = coldStoreOf(ledger);
  const { manifest } = await store.readManifest();
  const lists = await Promise.all(Object.values(manifest.events.months).map((list) => store.readList(list)));
  return lists.flatMap(({ files }) => files);
}

describe('harm to the cold tier', () => {
  const undo: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const one of undo.splice(0).reverse()) await one();
    expect((await check(false)).discrepancies).toEqual([]);
  });

  const blobOf = (path: string) => containerOf(ledger).getBlockBlobClient(ledger.config.blob.prefix + path);

  async function rewrite(path: string, change: (bytes: Buffer) => Buffer | null): Promise<void> {
    const bytes = await blobOf(path).downloadToBuffer();
    undo.push(() => blobOf(path).upload(bytes, bytes.length));
    const changed = change(Buffer.from(bytes));
    if (changed === null) await blobOf(path).delete();
    else await blobOf(path).upload(changed, changed.length);
  }

  /** The month has other rows, in a file that is whole in itself. */
  async function replaceRows(change: (rows: readonly ColdRow[]) => ColdRow[]): Promise<void> {
    const store = coldStoreOf(ledger);
    const held = await store.readManifest();
    const [[month, listed] = []] = Object.entries(held.manifest.events.months);
    if (month === undefined || listed === undefined) throw new Error('nothing is exported');
    const rows: ColdRow[] = [];
    for (const file of (await store.readList(listed)).files)
      for await (const some of (await ParquetReader.open(EVENTS, store.file(file))).all()) rows.push(...some);
    const folder = `tracking/events/month=${month}/`;
    const path = `${folder}forged-${undo.length}-${Date.now()}.parquet`;
    const file = await store.writeFile(EVENTS, path, one(change(rows)));
    const list: FileList = fileListOf(file === null ? [] : [file]);
    const months = { ...held.manifest.events.months, [month]: await store.writeList(folder, list) };
    const events = { ...held.manifest.events, months };
    await store.replaceManifest(held, { ...held.manifest, events });
    undo.push(async () => store.replaceManifest(await store.readManifest(), held.manifest));
  }

  async function* one(rows: ColdRow[]): AsyncGenerator<readonly ColdRow[]> {
    yield rows;
  }

  const at = (name: string) => EVENTS.columns.findIndex((column) => column.name === name);
  const isAt = (row: ColdRow, role: TopicRole, partition: number, offset: number) =>
    row[at('source')] === sourceOf(role, partition) && row[at('offset')] === BigInt(offset);

  test('a file that is gone is named, and its rows are said not to have been judged', async () => {
    const [file] = await coldFiles();
    await rewrite(file?.path ?? '', () => null);
    const deep = await check(true);
    for (const verdict of [await check(false), deep]) {
      expect(found(verdict)).toEqual([['cold_file_missing', null, null, null]]);
      expect(verdict.discrepancies[0]?.path).toBe(file?.path);
    }
    expect(tallyOf(deep, 'delivery', 0)).toMatchObject({ rows: 6, cold: 0, hidden: 18 });
    expect(verdictText(deep)).toMatch(/archived records were not judged/);
  });

  test('a byte that changed, wherever it is, a file that was cut off, and one that has more', async () => {
    const [file] = await coldFiles();
    const bytes = file?.bytes ?? 0;
    for (const place of [0, Math.floor(bytes / 2), bytes - 20]) {
      await rewrite(file?.path ?? '', (all) => {
        all[place] = (all[place] as number) ^ 1;
        return all;
      });
      expect(found(await check(true, ['delivery']))).toEqual([['cold_file_damaged', null, null, null]]);
      await undo.pop()?.();
    }
    await rewrite(file?.path ?? '', (all) => Buffer.concat([all, Buffer.from('x')]));
    expect(found(await check(true, ['delivery']))).toEqual([['cold_file_damaged', null, null, null]]);
    await undo.pop()?.();
    await rewrite(file?.path ?? '', (all) => all.subarray(0, -1));
    expect(found(await check(false))).toEqual([['cold_file_damaged', null, null, null]]);
  });

  test('a list and a manifest that cannot be read', async () => {
    const { manifest } = await coldStoreOf(ledger).readManifest();
    const [listed] = Object.values(manifest.events.months);
    await rewrite(listed?.list ?? '', () => null);
    expect(found(await check(true))).toEqual([['cold_file_missing', null, null, null]]);
    await undo.pop()?.();
    await rewrite('tracking/manifest.json', () => Buffer.from('{}'));
    expect(found(await check(true))).toEqual([['cold_manifest_unreadable', null, null, null]]);
    await undo.pop()?.();
    await rewrite('tracking/manifest.json', () => null);
    expect(found(await check(true))).toEqual([['cold_manifest_unreadable', null, null, null]]);
  });

  test('a row that was exported and is in no file is missing', async () => {
    await replaceRows((rows) => rows.filter((row) => !isAt(row, 'feedback', 0, 1)));
    const verdict = await check(true);
    expect(found(verdict)).toEqual([['row_missing', 0, 1, 1]]);
    expect(verdict.discrepancies[0]?.message).toContain('no file of the cold tier has it');
  });

  test('without the first copy its event is missing, and so are copies that nothing else explains', async () => {
    // Three copies were left out by merges, or never stood first; those that the cold tier has explain none before them.
    await replaceRows((rows) => rows.filter((row) => !isAt(row, 'delivery', 0, 0)));
    expect(found(await check(true)).sort()).toEqual([
      ['row_missing', 0, 0, 0],
      ['row_missing', 1, 0, 0],
      ['row_missing', 2, 0, 0],
    ]);
  });

  test('rows that no record explains are named', async () => {
    const other = 'f'.repeat(32);
    await replaceRows((rows) => {
      const [first = []] = rows;
      const like = (event: string, source: string, offset: number) =>
        first.map((value, index) =>
          index === at('event_id')
            ? event
            : index === at('source')
              ? source
              : index === at('offset')
                ? BigInt(offset)
                : value,
        );
      const strays = [
        like('s1', sourceOf('delivery', 0), 24),
        like('s2', sourceOf('delivery', 2), 48),
        like('s3', `${other}/0`, 7),
      ];
      return [...rows, ...strays].sort((a, b) => compareRows(EVENTS, a, b));
    });
    const verdict = await check(true);
    expect(found(verdict).sort()).toEqual(
      [
        ['cold_row_unarchived', 0, 24, 24],
        ['cold_row_unarchived', 0, 7, 7],
        ['row_of_bad_record', 2, 48, 48],
      ].sort(),
    );
  });

  test('what is in the archive tier is said to be offline, and not to be damaged', async () => {
    const [file] = await coldFiles();
    await blobOf(file?.path ?? '').setAccessTier('Archive');
    undo.push(() => blobOf(file?.path ?? '').setAccessTier('Hot'));
    expect(found(await check(false))).toEqual([]);
    const verdict = await check(true);
    expect(found(verdict)).toEqual([['cold_file_offline', null, null, null]]);
    expect(tallyOf(verdict, 'delivery', 0)).toMatchObject({ cold: 0, hidden: 18 });
  });

  test('and so is a segment', async () => {
    const folder = `${ledger.config.blob.prefix}raw/${ledger.topic('feedback')}/`;
    const [segment] = await Array.fromAsync(containerOf(ledger).listBlobsFlat({ prefix: folder }));
    const blob = containerOf(ledger).getBlockBlobClient(segment?.name ?? '');
    await blob.setAccessTier('Archive');
    undo.push(() => blob.setAccessTier('Hot'));
    const verdict = await check(true);
    expect(found(verdict).map(([code, partition]) => [code, partition])).toEqual([['segment_offline', 0]]);
    expect(ledger.config.blob.prefix + (verdict.discrepancies[0]?.path ?? '')).toBe(segment?.name);
  });

  test('what was not exported is missed as ever', async () => {
    const { client } = ledger.harness;
    await client.command({
      query: "CREATE TABLE held_events ENGINE = Memory AS SELECT * FROM events WHERE event_id = 'e3-2'",
    });
    await client.command({
      query: "ALTER TABLE events DELETE WHERE event_id = 'e3-2'",
      clickhouse_settings: { mutations_sync: '2' },
    });
    undo.push(() => client.command({ query: 'INSERT INTO events SELECT * FROM held_events' }));
    const codes = found(await check(true)).map(([code, partition, first]) => [code, partition, first]);
    expect(codes).toContainEqual(['row_missing', 0, 20]);
    expect(codes).toContainEqual(['message_event_surplus', 0, 20]);
  });
});
