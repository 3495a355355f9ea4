/** An older and a newer producer at once: one batch with two writer schemas, stored and archived, read across both. */
import type avsc from 'avsc';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { frame } from '../../deploy/local/world/encoders.ts';
import { readSchemaFile } from '../../schemas/migrate/subjects.ts';
import { type ArchivedSegment, readArchive } from '../helpers/archive-witness.ts';
import { audit } from '../helpers/audit.ts';
import { change, feedback, NOON } from '../helpers/ledger-values.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';

const EACH = 40;

let ledger: WholeLedger;
let newer: { readonly schemaId: number; readonly type: avsc.Type };
let unknownSymbols: Record<string, number>;
let segments: readonly ArchivedSegment[];

interface Field {
  readonly name: string;
  readonly type: unknown;
}

type Schema = Readonly<Record<string, unknown>> & { readonly fields: readonly Field[] };

function withSymbol({ name, type }: Field, field: string, symbol: string): Field {
  if (name !== field) return { name, type };
  const enumeration = type as { symbols: readonly string[] };
  return { name, type: { ...enumeration, symbols: [...enumeration.symbols, symbol] } };
}

const ownSchema = (file: string) => JSON.parse(readSchemaFile(file)) as Schema;

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
  const own = ownSchema('feedback-event.avsc');
  const feedbackWriter = await ledger.addWriter('feedback', {
    ...own,
    fields: [
      ...own.fields.map((field) => ({
        ...field,
        ...withSymbol(withSymbol(field, 'type', 'SCREENSHOT'), 'channel', 'HOLOGRAM'),
      })),
      { name: 'screen', type: ['null', 'string'], default: null },
    ],
  });
  newer = feedbackWriter;
  const profile = ownSchema('profile-change.avsc');
  const profileWriter = await ledger.addWriter('profiles', {
    ...profile,
    fields: [...profile.fields, { name: 'origin', type: 'string', default: 'unknown' }],
  });

  const feedbackOf = (index: number) => {
    const common = { message_id: `m${index}`, event_id: `f${index}`, occurred_at: NOON + index };
    if (index % 2 === 0) return ledger.harness.encode('feedback', feedback(common));
    const value = { ...feedback(common), type: 'SCREENSHOT', channel: 'HOLOGRAM', screen: `${index} inches` };
    return frame(feedbackWriter.schemaId, feedbackWriter.type.toBuffer(value));
  };
  const changeOf = (index: number) => {
    const common = {
      change_id: `c${index}`,
      op: 'PATCH',
      changed_at: NOON + index,
      attributes: `{"n":${index}}`,
    };
    if (index % 2 === 0) return ledger.harness.encode('profiles', change(common));
    return frame(profileWriter.schemaId, profileWriter.type.toBuffer({ ...change(common), origin: 'crm' }));
  };
  const indices = Array.from({ length: 2 * EACH }, (_, index) => index);
  await ledger.harness.produce(
    'feedback',
    indices.map((index) => ({ value: feedbackOf(index), partition: 0 })),
  );
  await ledger.harness.produce(
    'profiles',
    indices.map((index) => ({ value: changeOf(index), partition: 0 })),
  );

  const running = ledger.start();
  await ledger.caughtUp();
  const samples = (await running.metrics()).filter(({ name }) => name === 'ledger_unknown_symbols_total');
  unknownSymbols = Object.fromEntries(
    samples.map(({ labels, value }) => [`${labels.field}=${labels.symbol}`, value]),
  );
  expect(await running.stop()).toEqual({ code: 0, signal: null });
  segments = await readArchive(ledger.config);
});
afterAll(() => ledger[Symbol.asyncDispose]());

const segmentsOf = (role: 'feedback' | 'profiles') =>
  segments.filter(({ topic }) => topic === ledger.topic(role));

test('all of it is stored and archived as produced, and nothing is a dead letter', async () => {
  expect(await audit(ledger)).toEqual([]);
  expect(await ledger.letters('feedback')).toEqual([]);
  expect(await ledger.letters('profiles')).toEqual([]);
});

describe('ClickHouse', () => {
  test("keeps the newer producer's symbols beside those of the older", async () => {
    const rows = await ledger.rows(
      'SELECT type, channel, count() AS rows FROM {bi}.events GROUP BY ALL ORDER BY type',
    );
    expect(rows).toEqual([
      { type: 'CLICKED', channel: 'EMAIL', rows: EACH },
      { type: 'SCREENSHOT', channel: 'HOLOGRAM', rows: EACH },
    ]);
  });

  test('has one version for each change of either producer', async () => {
    const rows = await ledger.rows(
      'SELECT count() AS versions, max(version) AS newest FROM {bi}.profile_versions',
    );
    expect(rows).toEqual([{ versions: 2 * EACH, newest: 2 * EACH }]);
  });
});

test('a metric counts the symbols that this release does not know', () => {
  expect(Object.keys(unknownSymbols).sort()).toEqual(['channel=HOLOGRAM', 'type=SCREENSHOT']);
  // A batch that is written again is counted again.
  for (const count of Object.values(unknownSymbols)) expect(count).toBeGreaterThanOrEqual(EACH);
});

describe('the archive', () => {
  test.each(['feedback', 'profiles'] as const)('has a segment of each schema for one range of %s', (role) => {
    const batches = [...Map.groupBy(segmentsOf(role), ({ first, last }) => `${first}..${last}`).values()];
    const mixed = batches.filter((parts) => parts.length === 2);
    expect(mixed.length).toBeGreaterThan(0);
    for (const parts of mixed) {
      expect(new Set(parts.map(({ schemaId }) => schemaId))).toEqual(new Set(ledger.writers(role).keys()));
    }
    const counts = Map.groupBy(segmentsOf(role), ({ schemaId }) => schemaId);
    for (const own of counts.values()) {
      expect(own.reduce((sum, { records }) => sum + records.length, 0)).toBe(EACH);
    }
  });

  const ACROSS = [
    { type: 'CLICKED', screens: 0, oldest: NOON, rows: EACH },
    { type: 'SCREENSHOT', screens: EACH, oldest: NOON + 1, rows: EACH },
  ];

  test('is read across both by an explicit structure of flattened columns', async () => {
    const { connectionString: connection, container, prefix } = ledger.config.blob;
    const structure =
      "`value.type` String, `value.occurred_at` DateTime64(3, 'UTC'), `value.screen` Nullable(String)";
    const rows = await ledger.rows(
      `SELECT \`value.type\` AS type, uniqExact(\`value.screen\`) AS screens,
         toUnixTimestamp64Milli(min(\`value.occurred_at\`)) AS oldest, count() AS rows
       FROM azureBlobStorage({connection:String}, {container:String}, {path:String}, 'Avro', 'auto', {structure:String})
       GROUP BY type ORDER BY type SETTINGS input_format_avro_allow_missing_fields = 1`,
      { connection, container, path: `${prefix}raw/${ledger.topic('feedback')}/**.avro`, structure },
    );
    expect(rows).toEqual(ACROSS);
  });

  test('is read across both by the statement that `archive sql` prints', async () => {
    const { stdout, exitCode } = await ledger.command('archive', 'sql', ledger.topic('feedback'));
    expect(exitCode).toBe(0);
    const rows = await ledger.rows(
      `SELECT \`value.type\` AS type, uniqExact(\`value.screen\`) AS screens,
         toUnixTimestamp64Milli(min(\`value.occurred_at\`)) AS oldest, count() AS rows
       FROM (${stdout}) GROUP BY type ORDER BY type`,
      { connection: ledger.config.blob.connectionString },
    );
    expect(rows).toEqual(ACROSS);
  });

  test('keeps what the newer producer added, under its own schema', async () => {
    const added = segmentsOf('feedback').filter(({ schemaId }) => schemaId === newer.schemaId);
    const screens = added.flatMap(({ records }) =>
      records.map(({ value }) => {
        const event = newer.type.fromBuffer((value ?? Buffer.alloc(0)).subarray(5));
        return (event as { screen: string }).screen;
      }),
    );
    expect(screens.sort()).toEqual(
      Array.from({ length: EACH }, (_, index) => `${2 * index + 1} inches`).sort(),
    );
  });
});
