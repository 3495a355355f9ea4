/** `verify` on a whole ledger: clean as it was written, also while it is written; every harm named at its offset. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { deadLetterTopic, type TopicRole } from '../../../config/topics.ts';
import { frame } from '../../../deploy/local/world/encoders.ts';
import { checkWith } from '../../../pipelines/verify/run-verify.ts';
import type { Scope } from '../../../pipelines/verify/scope.ts';
import { verdictJson } from '../../../pipelines/verify/verdict-json.ts';
import type { VerifyQuestion } from '../../../pipelines/verify/verify.ts';
import { readSchemaFile } from '../../../schemas/migrate/subjects.ts';
import { ArchiveDamage } from '../../helpers/archive-damage.ts';
import type { ArchivedSegment } from '../../helpers/archive-witness.ts';
import { change, definition, delivery, feedback, NOON } from '../../helpers/ledger-values.ts';
import { Producer } from '../../helpers/runner-harness.ts';
import { SteadyLoad } from '../../helpers/steady-load.ts';
import { ROLES, WholeLedger } from '../../helpers/whole-ledger.ts';

interface Verdict {
  readonly clean: boolean;
  readonly deep: boolean;
  readonly partitions: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly next: number;
    readonly archive: { readonly records: number };
    readonly days: readonly { readonly records: number; readonly rows: number }[];
    readonly checked: Readonly<Record<string, number>>;
  }[];
  readonly derived: readonly { readonly name: string; readonly checked: number | null }[];
  readonly accepted_gaps: readonly Record<string, unknown>[];
  readonly discrepancy_counts: Readonly<Record<string, number>>;
  readonly discrepancies: readonly {
    readonly code: string;
    readonly topic: string;
    readonly topic_id: string | null;
    readonly partition: number | null;
    readonly first: number | null;
    readonly last: number | null;
    readonly path: string | null;
    readonly message: string;
  }[];
}

const WHOLE: Scope = { offsets: [], time: { from: null, to: null } };

let ledger: WholeLedger;
let damage: ArchiveDamage;
let topicIds: ReadonlyMap<string, string>;
let metricsFile: string;

const indices = (count: number) => Array.from({ length: count }, (_, index) => index);

function deliveries(name: string, count: number): Buffer[] {
  return indices(count).map((index) =>
    ledger.harness.encode(
      'delivery',
      delivery({ event_id: `${name}${index}`, message_id: `m-${name}${index}` }),
    ),
  );
}

/** Two versions of the schema in turn. */
function feedbacks(
  name: string,
  count: number,
  newer: Awaited<ReturnType<WholeLedger['addWriter']>>,
): Buffer[] {
  return indices(count).map((index) => {
    const value = feedback({ event_id: `${name}${index}`, message_id: `m-${name}${index}` });
    return index % 2 === 0
      ? ledger.harness.encode('feedback', value)
      : frame(newer.schemaId, newer.type.toBuffer({ ...value, screen: 'wide' }));
  });
}

const sent = (values: readonly (Buffer | null)[], partition: number) =>
  values.map((value) => ({ value, partition, key: 'acme/u1', headers: [{ trace: 'é' }, { empty: '' }] }));

async function produceAll(): Promise<void> {
  const own = JSON.parse(readSchemaFile('feedback-event.avsc')) as { fields: object[] };
  const newer = await ledger.addWriter('feedback', {
    ...own,
    fields: [...own.fields, { name: 'screen', type: ['null', 'string'], default: null }],
  });
  const { harness } = ledger;
  const producer = await Producer.connect(ledger.config, ledger.topic('delivery'), { transactional: true });
  // Offsets 0..4, a marker, 6..8 aborted, a marker, 10..14, a marker.
  await producer.commit(0, deliveries('a', 5));
  await producer.abort(0, deliveries('dropped', 3));
  await producer.commit(0, deliveries('b', 5));
  await producer.close();
  await harness.produce('delivery', sent([...deliveries('c', 20), Buffer.from('no Avro')], 1));
  // The copy at 20 is of the event at 5.
  await harness.produce('delivery', sent([...deliveries('d', 20), ...deliveries('d', 6).slice(5)], 2));
  await harness.produce('feedback', sent([...feedbacks('e', 10, newer), null], 0));
  await harness.produce('feedback', sent(feedbacks('f', 20, newer), 1));
  await harness.produce('feedback', sent(feedbacks('g', 20, newer), 2));
  const patch = (index: number) =>
    change({
      change_id: `v${index}`,
      user_id: 'vu',
      op: 'PATCH',
      changed_at: NOON - index,
      attributes: `{"n":${index}}`,
    });
  await harness.produce(
    'profiles',
    sent(
      indices(5).map((index) => harness.encode('profiles', patch(index))),
      0,
    ),
  );
  await harness.produce(
    'profiles',
    sent([harness.encode('profiles', change({ op: 'UNKNOWN', change_id: 'bad' }))], 1),
  );
  await harness.produce('definitions', [{ value: harness.encode('definitions', definition()) }]);
}

beforeAll(async () => {
  // Fewer and larger segments: the load goes on for as long as a check takes.
  const overrides = { pipelines: { archive: { flushIntervalMs: 1_500 } } };
  ledger = await WholeLedger.create(inject('configFile'), { overrides });
  damage = new ArchiveDamage(ledger);
  topicIds = await ledger.topicIds();
  metricsFile = join(ledger.folder, 'verify.prom');
  await produceAll();
});
afterAll(() => ledger[Symbol.asyncDispose]());

/** By the command, as a person would. */
async function command(
  ...args: readonly string[]
): Promise<{ exitCode: number | undefined; verdict: Verdict }> {
  const { stdout, stderr, exitCode } = await ledger.command('verify', '--format', 'json', ...args);
  if (!stdout.startsWith('{')) throw new Error(`exit ${exitCode}: ${stderr}`);
  return { exitCode, verdict: JSON.parse(stdout) as Verdict };
}

/** The same without another process. */
async function check(question: Partial<VerifyQuestion> = {}): Promise<Verdict> {
  const everything = { roles: ROLES, scope: WHOLE, isDeep: true };
  const verdict = await checkWith(ledger.harness.dependencies(), { ...everything, ...question });
  return JSON.parse(JSON.stringify(verdictJson(verdict))) as Verdict;
}

type Found = readonly [
  code: string,
  role: TopicRole | 'dead-letters',
  partition: number | null,
  first: number | null,
  last: number | null,
];

function found({ discrepancies }: Verdict): Found[] {
  const roleOf = (topic: string) =>
    (['definitions', 'delivery', 'feedback', 'profiles'] as const).find(
      (role) => ledger.topic(role) === topic,
    ) ?? 'dead-letters';
  return discrepancies
    .map(({ code, topic, partition, first, last }): Found => [code, roleOf(topic), partition, first, last])
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

const sorted = (list: readonly Found[]) =>
  [...list].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

const sourceOf = (role: TopicRole, partition: number) => `${topicIds.get(ledger.topic(role))}/${partition}`;

async function execute(query: string, query_params: Record<string, unknown> = {}): Promise<void> {
  await ledger.harness.client.command({ query, query_params, clickhouse_settings: { mutations_sync: '2' } });
}

const AT = 'source = {source:String} AND offset = {offset:UInt64}';

async function deleteRow(role: TopicRole, partition: number, offset: number): Promise<void> {
  await execute(`ALTER TABLE events DELETE WHERE ${AT}`, { source: sourceOf(role, partition), offset });
}

const rangeOf = ([segment]: readonly ArchivedSegment[]) =>
  [segment?.first ?? -1, segment?.last ?? -1] as const;

describe('a ledger that is whole', () => {
  test('is clean while it is being written', async () => {
    const running = ledger.start();
    await ledger.caughtUp();
    const load = new SteadyLoad(ledger.harness, 4);
    load.start();
    const verdict = await check();
    await load.stop();
    expect(verdict.discrepancies).toEqual([]);
    expect(load.sent).toBeGreaterThan(0);
    await ledger.caughtUp();
    expect(await running.stop()).toEqual({ code: 0, signal: null });
  });

  test('is clean afterwards, with every record accounted for once', async () => {
    const { exitCode, verdict } = await command('--deep', '--metrics-file', metricsFile);
    expect(verdict.discrepancies).toEqual([]);
    expect(exitCode).toBe(0);
    for (const role of ['definitions', 'delivery', 'feedback', 'profiles'] as const) {
      const records = await ledger.records(role);
      for (const { topic, partition, checked } of verdict.partitions) {
        if (topic !== ledger.topic(role)) continue;
        const own = records.filter((record) => record.partition === partition).length;
        const { rows = 0, copies = 0, dead_letters = 0, ...rest } = checked;
        expect({ partition, ...rest, sum: rows + copies + dead_letters }).toEqual({
          partition,
          records: own,
          compared_with_kafka: own,
          pending: 0,
          expired_dead_letters: 0,
          cold_rows: 0,
          hidden: 0,
          sum: own,
        });
      }
    }
    const [events] = await ledger.rows<{ rows: string }>('SELECT toString(count()) AS rows FROM {bi}.events');
    const [versions] = await ledger.rows<{ rows: string }>(
      'SELECT toString(count()) AS rows FROM {bi}.profile_versions',
    );
    expect(verdict.derived).toEqual([
      { name: 'message_events', checked: Number(events?.rows) },
      { name: 'profile_versions', checked: Number(versions?.rows) },
    ]);
  });

  test('has metrics with the time of the clean check', async () => {
    const text = await readFile(metricsFile, 'utf8');
    expect(text).toContain('ledger_verify_discrepancies{code="row_missing"} 0');
    const at = (name: string) => Number(new RegExp(`^ledger_verify_${name} (\\S+)$`, 'm').exec(text)?.[1]);
    expect(at('last_clean_timestamp_seconds')).toBe(at('last_run_timestamp_seconds'));
    expect(at('failed')).toBe(0);
  });
});

describe('after harm to the archive and one row', () => {
  let expected: Found[];
  let copied: string;

  beforeAll(async () => {
    const batch = (role: TopicRole, partition: number) => damage.firstBatch(ledger.topic(role), partition);
    const [deleted, cut, altered, doubled, halved] = [
      await batch('delivery', 0),
      await batch('delivery', 1),
      await batch('feedback', 1),
      await batch('feedback', 2),
      await batch('feedback', 0),
    ];
    const raw = ({ schemaId }: ArchivedSegment) => schemaId !== null;
    for (const segment of deleted) await damage.remove(segment);
    for (const segment of cut.filter(raw)) await damage.rewrite(segment, (bytes) => bytes.subarray(0, -20));
    await damage.rewrite(altered[0] as ArchivedSegment, (bytes) => {
      const forged = Buffer.from(bytes);
      forged[forged.length - 40] = (forged[forged.length - 40] as number) ^ 1;
      return forged;
    });
    const [first, last] = rangeOf(doubled);
    copied = await damage.copy(doubled[0] as ArchivedSegment, { first: first + 1, last });
    await damage.copy(doubled[0] as ArchivedSegment, { first: first + 5_000, last: last + 5_000 });
    await damage.remove(halved.filter(raw)[1] as ArchivedSegment);
    await execute('CREATE TABLE saved ENGINE = Memory AS SELECT * FROM events WHERE 0');
    await execute(`INSERT INTO saved SELECT * FROM events WHERE ${AT}`, {
      source: sourceOf('delivery', 2),
      offset: 7,
    });
    await deleteRow('delivery', 2, 7);
    expected = [
      ['segment_missing', 'delivery', 0, ...rangeOf(deleted)],
      ['metadata_mismatch', 'feedback', 2, first + 1, last],
      ['segment_overlap', 'feedback', 2, first + 1, last],
      // The batch has two segments, and one of them was copied.
      ['part_missing', 'feedback', 2, first + 1, last],
      ['segment_beyond_head', 'feedback', 2, first + 5_000, last + 5_000],
      ['part_missing', 'feedback', 0, ...rangeOf(halved)],
      ['segment_damaged', 'delivery', 1, ...rangeOf(cut)],
      ['segment_damaged', 'feedback', 1, ...rangeOf(altered)],
      ['segment_damaged', 'feedback', 2, first + 1, last],
      ['row_missing', 'delivery', 2, 7, 7],
      ['message_event_surplus', 'delivery', 2, 7, 7],
    ];
  });

  test('names and counts alone find what lies at the wrong place or not at all', async () => {
    expect(found(await check({ isDeep: false }))).toEqual(sorted(expected.slice(0, 6)));
  });

  test('a deep check names each at its offsets, and nothing else', async () => {
    const { exitCode, verdict } = await command('--deep', '--metrics-file', metricsFile);
    expect(exitCode).toBe(3);
    expect(found(verdict)).toEqual(sorted(expected));
    expect(verdict.discrepancies.find(({ code }) => code === 'metadata_mismatch')?.path).toBe(copied);
    for (const { topic, topic_id } of verdict.discrepancies) expect(topic_id).toBe(topicIds.get(topic));
    const text = await readFile(metricsFile, 'utf8');
    expect(text).toContain('ledger_verify_discrepancies{code="segment_damaged"} 3');
    const at = (name: string) => Number(new RegExp(`^ledger_verify_${name} (\\S+)$`, 'm').exec(text)?.[1]);
    expect(at('last_clean_timestamp_seconds')).toBeGreaterThan(0);
    expect(at('last_run_timestamp_seconds')).toBeGreaterThan(at('last_clean_timestamp_seconds'));
  });

  test('of other offsets there is nothing to say', async () => {
    const offsets = (partition: number, first: number, last: number) => {
      const one = { topic: ledger.topic('delivery'), partition, first, last };
      return check({ roles: ['delivery'], scope: { ...WHOLE, offsets: [one] } });
    };
    expect((await offsets(1, 1_000_000, 2_000_000)).partitions.map(({ partition }) => partition)).toEqual([
      1,
    ]);
    // Nothing but whole batches is read: the one that holds 8..19 holds 7 as well.
    const { discrepancies, derived } = await offsets(2, 8, 19);
    expect(discrepancies.map(({ code, first }) => [code, first])).toEqual([['row_missing', 7]]);
    expect(derived.map(({ checked }) => checked)).toEqual([null, null]);
    expect((await check({ roles: ['profiles'] })).clean).toBe(true);
  });

  test('a time before and a time since are told apart', async () => {
    const between = (from: number | null, to: number | null) =>
      check({ roles: ['feedback'], isDeep: false, scope: { offsets: [], time: { from, to } } });
    const times = (await ledger.records('feedback')).map(({ timestamp }) => timestamp);
    expect(found(await between(null, Math.min(...times)))).toEqual([]);
    expect(found(await between(Math.min(...times), null)).map(([code]) => code)).toContain('part_missing');
  });
});

describe('after the archive was put back', () => {
  beforeAll(async () => {
    await damage.undo();
    await execute('INSERT INTO events SELECT * FROM saved');
  });

  test('an archive that is ahead of Kafka is named by the offsets that Kafka has not', async () => {
    const source = { topic: ledger.topic('profiles'), partition: 1 };
    const [end] = await ledger.harness.admin.watermarks([source]);
    const high = end?.high ?? -1;
    await damage.advanceHead({ ...source, topicId: topicIds.get(source.topic) ?? '' }, 10);
    const verdict = await check({ roles: ['profiles'], isDeep: false });
    await damage.undo();
    expect(found(verdict)).toEqual([
      ['archive_beyond_kafka', 'profiles', 1, high, high + 9],
      ['segment_missing', 'profiles', 1, high, high + 9],
    ]);
  });

  test('everything that is stored otherwise than it was archived is named', async () => {
    const { harness } = ledger;
    const [events, records] = [
      await ledger.rows('SELECT 1 AS one FROM events LIMIT 1'),
      await ledger.records('delivery'),
    ];
    expect(events).toHaveLength(1);
    const [p0, p2] = [sourceOf('delivery', 0), sourceOf('delivery', 2)];
    const copyOf = (changes: string, source: string, offset: number) =>
      execute(`INSERT INTO events SELECT * REPLACE(${changes}) FROM (SELECT * FROM events WHERE ${AT})`, {
        source,
        offset,
      });

    await execute(`ALTER TABLE events UPDATE reason = 'forged' WHERE ${AT}`, { source: p2, offset: 3 });
    await copyOf("toUInt64(6) AS offset, 'stray' AS event_id", p0, 1);
    await copyOf(
      "toUInt64(7) AS offset, 'stray2' AS event_id, occurred_at - INTERVAL 40 DAY AS occurred_at",
      p0,
      1,
    );
    // Of those offsets alone: copies and bad records among the later ones leave room for rows too many.
    const asked = { topic: ledger.topic('delivery'), partition: 0, first: 0, last: 15 };
    const counted = await check({
      roles: ['delivery'],
      isDeep: false,
      scope: { ...WHOLE, offsets: [asked] },
    });
    expect(found(counted).map(([code, , partition, first]) => [code, partition, first])).toEqual([
      ['rows_surplus', 0, 0],
    ]);
    const later = records.find(({ partition, offset }) => partition === 2 && offset === 20)?.timestamp ?? 0;
    // Beside the first recorded the copy would not outlive the next merge.
    const asCopy = `toUInt64(20) AS offset, fromUnixTimestamp64Milli(toInt64(${later}), 'UTC') AS recorded_at`;
    await execute(
      `CREATE TABLE held ENGINE = Memory AS SELECT * REPLACE(${asCopy}) FROM (SELECT * FROM events WHERE ${AT})`,
      { source: p2, offset: 5 },
    );
    await deleteRow('delivery', 2, 5);
    await execute('INSERT INTO events SELECT * FROM held');
    await execute("ALTER TABLE message_events DELETE WHERE event_id = 'c2'");
    await execute("ALTER TABLE message_events UPDATE variant = 'forged' WHERE event_id = 'c3'");
    await execute(
      "ALTER TABLE profile_versions DELETE WHERE user_id = 'vu' AND valid_from = fromUnixTimestamp64Milli({at:Int64}, 'UTC')",
      {
        at: NOON - 1,
      },
    );
    await execute(
      `INSERT INTO profile_versions SELECT * REPLACE('{"n":99}' AS attributes, fold + 1 AS fold) FROM profile_versions FINAL
       WHERE user_id = 'vu' AND valid_from = fromUnixTimestamp64Milli({at:Int64}, 'UTC')`,
      { at: NOON - 2 },
    );
    await execute(
      `INSERT INTO profile_versions SELECT * REPLACE(valid_from - INTERVAL 1 DAY AS valid_from) FROM profile_versions FINAL
       WHERE user_id = 'vu' LIMIT 1`,
    );

    // A segment that is whole in itself, and not what was produced.
    const batch = await damage.firstBatch(ledger.topic('feedback'), 2);
    const [first, last] = rangeOf(batch);
    const own = (await ledger.records('feedback')).filter(
      ({ partition, offset }) => partition === 2 && offset >= first && offset <= last && offset !== 9,
    );
    const forged = own.map((record) => {
      if (record.offset === 2) return { ...record, key: Buffer.from('acme/u2') };
      return record.offset === 3 || record.offset === 4
        ? { ...record, value: Buffer.from('forged') }
        : record;
    });
    await damage.forge(batch, forged);
    await deleteRow('feedback', 2, 3);
    // Offset 9 is the marker of the aborted transaction.
    const early = await damage.firstBatch(ledger.topic('delivery'), 0);
    const withMarker = records
      .filter(({ partition, offset }) => partition === 0 && offset <= rangeOf(early)[1])
      .flatMap((record) =>
        record.offset === 10 ? [{ ...record, offset: 9, value: Buffer.from('no Avro') }, record] : [record],
      );
    await damage.forge(early, withMarker);

    await deleteRow('feedback', 1, 4);
    const letter = (dl: Record<string, string>) =>
      Object.entries(dl).map(([name, value]) => ({ [`dl.${name}`]: value }));
    const about = (role: TopicRole, partition: number, offset: number) => ({
      topic: ledger.topic(role),
      'topic-id': topicIds.get(ledger.topic(role)) ?? '',
      partition: String(partition),
      offset: String(offset),
      code: 'avro_invalid',
    });
    const producer = await Producer.connect(ledger.config, deadLetterTopic(ledger.topic('feedback')), {});
    await producer.produce(0, ['a stranger']);
    await producer.close();
    await sendLetter(letter(about('feedback', 1, 4)), 'feedback');
    await sendLetter(letter(about('delivery', 0, 5)), 'delivery');
    const [strangerAt] = (await ledger.letters('feedback')).filter(({ headers }) => headers.length === 0);
    const end = (
      await harness.admin.watermarks([{ topic: deadLetterTopic(ledger.topic('profiles')), partition: 0 }])
    )[0];
    await harness.admin.deleteRecords([
      { topic: deadLetterTopic(ledger.topic('profiles')), partition: 0, offset: end?.high ?? 0 },
    ]);

    const verdict = await check();
    expect(found(verdict)).toEqual(
      sorted([
        ['row_differs', 'delivery', 2, 3, 3],
        ['row_unarchived', 'delivery', 0, 6, 6],
        ['row_unarchived', 'delivery', 0, 7, 7],
        ['row_missing', 'delivery', 2, 5, 5],
        ['message_event_surplus', 'delivery', 2, 5, 5],
        ['message_event_missing', 'delivery', 1, 2, 2],
        ['message_event_differs', 'delivery', 1, 3, 3],
        ['profile_version_missing', 'profiles', 0, 1, 1],
        ['record_not_in_kafka', 'delivery', 0, 9, 9],
        ['letter_missing', 'delivery', 0, 9, 9],
        ['profile_version_differs', 'profiles', 0, 2, 2],
        ['profile_version_surplus', 'profiles', null, null, null],
        ['record_differs', 'feedback', 2, 2, 2],
        ['record_differs', 'feedback', 2, 3, 4],
        ['record_not_archived', 'feedback', 2, 9, 9],
        ['row_unarchived', 'feedback', 2, 9, 9],
        ['letter_missing', 'feedback', 2, 3, 3],
        ['message_event_surplus', 'feedback', 2, 3, 3],
        ['row_of_bad_record', 'feedback', 2, 4, 4],
        ['letter_of_good_record', 'feedback', 1, 4, 4],
        ['message_event_surplus', 'feedback', 1, 4, 4],
        ['letter_unreadable', 'dead-letters', 0, strangerAt?.offset ?? -1, strangerAt?.offset ?? -1],
        ['letter_without_record', 'delivery', 0, 5, 5],
      ]),
    );
    const of = (code: string) =>
      verdict.discrepancies.filter((one) => one.code === code).map(({ message }) => message);
    expect(of('row_differs').join()).toContain('in column reason');
    expect(of('row_missing').join()).toContain('recorded later');
    expect(of('record_differs').map((message) => /in its ([a-z ]+)/.exec(message)?.[1])).toEqual([
      'key or headers',
      'value',
    ]);
    // Its letter has left Kafka, as it does after the retention of its topic.
    const profiles = verdict.partitions.find(
      ({ topic, partition }) => topic === ledger.topic('profiles') && partition === 1,
    );
    expect(profiles?.checked.expired_dead_letters).toBeGreaterThan(0);
  });

  async function sendLetter(headers: { [name: string]: string }[], role: TopicRole): Promise<void> {
    const topic = deadLetterTopic(ledger.topic(role));
    await ledger.harness.produceTo(topic, [
      { value: Buffer.from('forged'), key: null, headers, partition: 0 },
    ]);
  }
});

test('what Kafka dropped is a discrepancy until somebody accepts it, and is shown ever after', async () => {
  const topic = ledger.topic('definitions');
  const only = { roles: ['definitions'] } as const;
  const before = (await check(only)).partitions[0]?.next ?? -1;
  const more = indices(4).map((index) => ({
    value: ledger.harness.encode('definitions', definition({ campaign_id: `late-${index}` })),
  }));
  await ledger.harness.produce('definitions', more);
  await ledger.harness.admin.deleteRecords([{ topic, partition: 0, offset: before + 3 }]);
  expect(found(await check(only))).toEqual([['dropped_unarchived', 'definitions', 0, before, before + 2]]);
  for (const pipeline of ['archive', 'tracking']) {
    const range = ['--first', String(before), '--last', String(before + 2)];
    const place = ['--topic', topic, '--partition', '0'];
    const answer = await ledger.command(
      'offsets',
      'accept-gap',
      pipeline,
      ...place,
      ...range,
      '--reason',
      'a full disk: ours',
    );
    expect(answer.stderr).toBe('');
  }
  const verdict = await check(only);
  expect(verdict.discrepancies).toEqual([]);
  const gap = { topic, partition: 0, first: before, last: before + 2, reason: 'a full disk: ours' };
  const known = (pipeline: string) =>
    expect.objectContaining({
      ...gap,
      pipeline,
      by: expect.stringMatching(/./),
      at: expect.stringMatching(/^20\d\d-.*Z$/),
    });
  expect(verdict.accepted_gaps).toEqual([known('archive'), known('tracking')]);
});
