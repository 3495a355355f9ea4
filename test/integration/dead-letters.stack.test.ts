/** Dead letters from one end to the other: refused by running pipelines, listed, shown, put right, and stored once. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { TopicRole } from '../../config/topics.ts';
import { originText } from '../../pipelines/dead-letters/letter.ts';
import { lettersOf } from '../../pipelines/dead-letters/letters.ts';
import { readMapping } from '../../pipelines/dead-letters/mapping/mapping-file.ts';
import { audit } from '../helpers/audit.ts';
import { byOffset, letterContext, replayIn } from '../helpers/dead-letters.ts';
import { delivery, feedback, NOON } from '../helpers/ledger-values.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';

let ledger: WholeLedger;
let topicIds: ReadonlyMap<string, string>;

const encode = (role: TopicRole, value: object) => ledger.harness.encode(role, value);

const seconds = { event_id: 'seconds', user_id: 'u7', occurred_at: NOON / 1000 };
/** A string whose fourth byte is no UTF-8, behind fields that are well. */
const brokenText = () => {
  const value = encode('feedback', feedback({ link: 'abcXdef' }));
  value[value.indexOf('abcX') + 3] = 0xe9;
  return value;
};

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
  topicIds = await ledger.topicIds();
  await ledger.harness.produce('feedback', [
    { value: encode('feedback', feedback({ event_id: 'good' })), partition: 0 },
    { value: encode('feedback', feedback(seconds)), key: 'acme/u7', partition: 0, headers: [{ trace: 't' }] },
    { value: encode('feedback', feedback()).subarray(0, 20), key: 'acme/u1', partition: 0 },
    { value: brokenText(), partition: 0 },
    { value: null, partition: 1 },
  ]);
  await ledger.harness.produce('delivery', [
    { value: encode('delivery', delivery({ event_id: '' })), partition: 0 },
  ]);
  ledger.start();
  await ledger.caughtUp();
});
afterAll(() => ledger[Symbol.asyncDispose]());

const objects = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const list = async (...options: string[]) => {
  const answer = await ledger.command('dead-letters', 'list', '--format', 'json', ...options);
  expect(answer.stderr).toBe('');
  expect(answer.exitCode).toBe(0);
  return objects(answer.stdout);
};

const name = (role: TopicRole, place: string) => `${ledger.topic(role)}/${place}`;

test('are listed by topic, code, partition and time', async () => {
  const all = await list();
  expect(all.map(({ letter, code }) => [letter, code]).sort()).toEqual(
    [
      [name('delivery', '0:0'), 'empty_id'],
      [name('feedback', '0:1'), 'time_too_early'],
      [name('feedback', '0:2'), 'avro_truncated'],
      [name('feedback', '0:3'), 'invalid_utf8'],
      [name('feedback', '1:0'), 'tombstone'],
    ].sort(),
  );
  const found = all.map(({ found_at }) => String(found_at)).sort();
  const chosen = await list(
    ...[
      '--topic',
      'campaign.feedback',
      '--code',
      'time_too_early',
      '--code',
      'tombstone',
      '--partition',
      '0',
    ],
    ...['--from', found[0] ?? '', '--to', new Date(Date.now() + 60_000).toISOString()],
  );
  expect(chosen).toEqual([
    expect.objectContaining({
      letter: name('feedback', '0:1'),
      topic_id: topicIds.get(ledger.topic('feedback')),
      dead_letter: {
        topic: `${ledger.topic('feedback')}.dead-letters`,
        partition: expect.anything(),
        offset: 0,
      },
      bytes: encode('feedback', feedback(seconds)).length,
      replay_of: null,
      replayed_at: null,
    }),
  ]);
  expect(await list('--to', found[0] ?? '')).toEqual([]);
});

test('are counted by topic and code, and listed up to a limit', async () => {
  const counts = await list('--count');
  expect(counts.map(({ topic, code, letters, replayed }) => [topic, code, letters, replayed])).toEqual([
    [ledger.topic('delivery'), 'empty_id', 1, 0],
    ...['avro_truncated', 'invalid_utf8', 'time_too_early', 'tombstone'].map((code) => [
      ledger.topic('feedback'),
      code,
      1,
      0,
    ]),
  ]);
  const all = await list();
  const [truncated] = all.filter(({ code }) => code === 'avro_truncated');
  expect(counts.find(({ code }) => code === 'avro_truncated')).toMatchObject({
    first_found_at: truncated?.found_at,
    last_found_at: truncated?.found_at,
  });
  expect(await list('--limit', '2')).toEqual(all.slice(0, 2));
  const table = (await ledger.command('dead-letters', 'list', '--count')).stdout;
  expect(table).toMatch(/campaign\.feedback\s.*\btombstone\s.*\b1\s.*\b0\b/);
});

describe('one of them', () => {
  const show = async (letter: string) => {
    const answer = await ledger.command('dead-letters', 'show', '--format', 'json', letter);
    expect(answer.exitCode, answer.stderr).toBe(0);
    return JSON.parse(answer.stdout) as Record<string, unknown>;
  };

  test('is shown up to the very byte at which it can be read no further', async () => {
    const value = brokenText();
    const { points_at, fields, undecodable, schema } = await show(name('feedback', '0:3'));
    const byte = value.indexOf(0xe9, value.indexOf('abc'));
    expect(points_at).toEqual({ field: 'link', byte });
    expect(undecodable).toMatchObject({ field: 'link', detail: 'a string is not UTF-8' });
    expect((fields as { name: string; value: unknown }[]).at(-1)).toMatchObject({ name: 'occurred_at' });
    const { schemaId } = ledger.harness.encoders.feedback;
    expect(schema).toEqual({
      id: schemaId,
      registered: expect.arrayContaining([`${ledger.topic('feedback')}-value version 1`]),
      is_known: true,
    });
  });

  test('is shown to people with the field that is wrong, a mark at its byte, and what helps', async () => {
    const text = (await ledger.command('dead-letters', 'show', name('feedback', '0:1'))).stdout;
    const value = encode('feedback', feedback(seconds));
    const [digits = ''] = /^ +\^\^ byte (\d+)$/m.exec(text)?.slice(1) ?? [];
    // The number itself stands there, as Avro writes it.
    const written = Buffer.from(value.subarray(Number(digits)));
    expect(readZigzag(written)).toBe(BigInt(NOON / 1000));
    const [dumped = '', marked = ''] = text
      .split('\n')
      .slice(text.split('\n').findIndex((l) => l.includes('^^')) - 1);
    const at = marked.indexOf('^^');
    expect(dumped.slice(at, at + 2)).toBe(written[0]?.toString(16).padStart(2, '0'));
    expect(text).toMatch(/^remedy +Let the producer send milliseconds/m);
    expect(text).toMatch(/^header trace +"t"$/m);
    expect(text).toMatch(/^ +occurred_at +1795176000 +1970-01-21T/m);
  });
});

/** Avro's longs: seven bits a byte, the lowest first, the sign in the lowest bit. */
function readZigzag(bytes: Buffer): bigint {
  let bits = 0n;
  for (const [index, byte] of bytes.entries()) {
    bits |= BigInt(byte & 127) << BigInt(7 * index);
    if (byte < 128) break;
  }
  return (bits >> 1n) ^ -(bits & 1n);
}

describe('sent back', () => {
  test('after a wrong fix it is a letter again, with an origin of its own, and can be sent again', async () => {
    const filter = { codes: new Set(['empty_id']) };
    const { schemaId } = ledger.harness.encoders.delivery;
    expect(byOffset(await replayIn(ledger, 'delivery', { filter, isForced: true, schemaId }))).toEqual({
      0: 'replayed',
    });
    await ledger.caughtUp();
    const topicId = topicIds.get(ledger.topic('delivery'));
    // Without a key each of the two letters has gone to a partition by chance.
    const letters = await lettersNow('delivery');
    expect(letters).toHaveLength(2);
    const first = letters.find(({ replayOf }) => replayOf === null);
    const again = letters.find(({ replayOf }) => replayOf !== null);
    expect(first?.origin).toMatchObject({ partition: 0, offset: 0 });
    expect(again).toMatchObject({ code: 'empty_id', replayOf: `${topicId}/0/0` });
    const file = join(ledger.folder, 'id.yaml');
    await writeFile(
      file,
      'rules:\n  - when: { fields: { event_id: "" } }\n    then: { set: { event_id: d-late } }\n',
    );
    const answer = await ledger.command(
      ...[
        'dead-letters',
        'replay',
        again === undefined ? '' : originText(again.origin),
        '--mapping',
        file,
        '--format',
        'json',
      ],
    );
    expect(objects(answer.stdout)).toMatchObject([{ outcome: 'replayed', is_mapped: true }]);
    await ledger.caughtUp();
    expect(await ledger.rows("SELECT count() AS rows FROM {bi}.events WHERE event_id = 'd-late'")).toEqual([
      { rows: 1 },
    ]);
    expect(await lettersNow('delivery')).toHaveLength(2);
  });

  test('once it is put right it is stored and archived; a second time changes nothing', async () => {
    const file = join(ledger.folder, 'seconds.yaml');
    await writeFile(file, 'rules:\n  - then: { multiply: { occurred_at: 1000 } }\n');
    const mapping = await readMapping(file, ledger.config);
    const filter = { codes: new Set(['time_too_early']) };
    const replay = async () => byOffset(await replayIn(ledger, 'feedback', { filter, mapping }));
    expect(await replay()).toEqual({ 1: 'replayed' });
    await ledger.caughtUp();
    const stored =
      "SELECT toUnixTimestamp64Milli(occurred_at) AS at FROM {bi}.events WHERE event_id = 'seconds'";
    expect((await ledger.rows<{ at: unknown }>(stored)).map(({ at }) => Number(at))).toEqual([NOON]);
    const before = await everything();
    expect(await replay()).toEqual({ 1: 'skipped' });
    await ledger.caughtUp();
    expect(await everything()).toEqual(before);
    expect(await audit(ledger)).toEqual([]);
  });

  const lettersNow = (role: TopicRole) =>
    Array.fromAsync(lettersOf(letterContext(ledger), ledger.topic(role)));

  /** Ends of the source topics, and what is stored. */
  async function everything(): Promise<object> {
    const ends = await Promise.all(
      (['delivery', 'feedback'] as const).map((role) =>
        ledger.harness.admin.watermarks(
          [0, 1, 2].map((partition) => ({ topic: ledger.topic(role), partition })),
        ),
      ),
    );
    return { ends, events: await ledger.rows('SELECT * FROM {bi}.events ORDER BY ALL') };
  }
});
