/** The main job on a seeded world: Kafka, archive, ClickHouse, dead letters and the generator's books all say the same. */
import { BlobServiceClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { TopicRole } from '../../config/topics.ts';
import { produceWorld } from '../../deploy/local/world/produce-world.ts';
import type { CampaignBooks, WorldLedger } from '../../deploy/local/world/world-ledger.ts';
import { readArchive } from '../helpers/archive-witness.ts';
import {
  auditArchive,
  auditDefinitions,
  auditEvents,
  auditLetters,
  auditProfiles,
  differences,
  type Evidence,
  gatherEvidence,
} from '../helpers/audit.ts';
import type { SeenRecord } from '../helpers/kafka-witness.ts';
import { ledgerCommand } from '../helpers/pipeline-child.ts';
import { ROLES, WholeLedger } from '../helpers/whole-ledger.ts';

const SEED = 11;
const EVENTS = 8_000;
const MALFORMED = 70;

let ledger: WholeLedger;
let books: WorldLedger;
let evidence: Evidence;

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'), {
    prepare: async (configFile) => {
      const migrated = await ledgerCommand(['migrate', '--config', configFile]);
      expect(migrated.exitCode, migrated.stderr).toBe(0);
    },
  });
  const { config } = ledger;
  const until = Date.UTC(2026, 9, 1);
  books = await produceWorld({ config, seed: SEED, events: EVENTS, malformed: MALFORMED, until });
  const running = ledger.start();
  await ledger.caughtUp();
  expect(await running.stop()).toEqual({ code: 0, signal: null });
  evidence = await gatherEvidence(ledger);
});
afterAll(() => ledger[Symbol.asyncDispose]());

test('the world has something of everything', () => {
  const { delivery, feedback } = books.topics;
  expect(delivery.distinct + feedback.distinct).toBeGreaterThan(0.8 * EVENTS);
  for (const role of ROLES) {
    expect(books.topics[role].malformed).toBeGreaterThan(0);
    expect(evidence.records[role]).toHaveLength(books.topics[role].records);
  }
  expect(delivery.copies).toBeGreaterThan(10);
  expect(books.lateProfiles.size).toBeGreaterThan(1);
});

describe('every record of Kafka', () => {
  test('is in the archive once, with the very bytes', async () => {
    expect(await auditArchive(ledger, evidence)).toEqual([]);
  });

  test('comes back byte for byte from what ClickHouse reads in the archive', async () => {
    for (const role of ROLES) {
      const restored = [...(await readDecoded(role)), ...(await readUndecodable(role))];
      const expected = new Map(evidence.records[role].map((record) => [placeOf(record), textOf(record)]));
      expect(differences(role, { expected, actual: restored })).toEqual([]);
    }
  });

  test.each(ROLES)('of %s is stored, a copy, or a dead letter, as the books say', async (role) => {
    const { records, distinct, copies, malformed } = books.topics[role];
    const [row] = await ledger.rows<{ stored: number }>(STORED[role]);
    expect(row).toEqual({ stored: distinct });
    expect(evidence.judged[role].bad).toHaveLength(malformed);
    const letters = await ledger.letters(role);
    expect(letters).toHaveLength(malformed);
    expect(records).toBe(distinct + copies + letters.length);
  });
});

const STORED: Readonly<Record<TopicRole, string>> = {
  definitions: 'SELECT uniqExact(tenant_id, campaign_id, updated_at, name) AS stored FROM campaigns',
  delivery: "SELECT count() AS stored FROM {bi}.events WHERE kind = 'delivery'",
  feedback: "SELECT count() AS stored FROM {bi}.events WHERE kind = 'feedback'",
  profiles: 'SELECT uniqExact(tenant_id, user_id, change_id) AS stored FROM profile_changes',
};

describe('ClickHouse', () => {
  test('has every event and message as produced, once', async () => {
    expect(await auditEvents(ledger, evidence)).toEqual([]);
    expect(await auditDefinitions(ledger, evidence)).toEqual([]);
  });

  test('has the profile versions of an independent fold', async () => {
    expect(await auditProfiles(ledger, evidence)).toEqual([]);
  });

  test('counts for each campaign what the generator counted', async () => {
    const results = await ledger.rows<Record<string, unknown>>(
      `SELECT concat(tenant_id, '/', campaign_id) AS campaign, sent, delivered, bounced, opens, unique_opens,
         machine_opens, clicks, unique_clicks, conversions, unsubscribes, complaints
       FROM {bi}.campaign_results`,
    );
    expect(books.campaigns.size).toBe(12);
    expect(
      differences('campaign_results', {
        expected: new Map([...books.campaigns].map(([campaign, one]) => [campaign, countsOf(one)])),
        actual: results.map(({ campaign, ...counts }) => [String(campaign), counts]),
      }),
    ).toEqual([]);
  });
});

function countsOf(one: CampaignBooks): object {
  return {
    sent: one.sent.size,
    delivered: one.delivered.size,
    bounced: one.bounced.size,
    opens: one.opens,
    unique_opens: one.openers.size,
    machine_opens: one.machineOpens,
    clicks: one.clicks,
    unique_clicks: one.clickers.size,
    conversions: one.conversions,
    unsubscribes: one.unsubscribers.size,
    complaints: one.complainers.size,
  };
}

test('each malformed payload is one dead letter with its origin and its very bytes', async () => {
  expect(await auditLetters(ledger, evidence)).toEqual([]);
});

test('started again, the pipelines have nothing to do and change nothing', async () => {
  const running = ledger.start();
  await running.until('ready', async () => (await running.get('/readyz')).status === 200);
  await ledger.caughtUp();
  expect(await running.metric('ledger_records_total')).toBe(0);
  expect(await running.stop()).toEqual({ code: 0, signal: null });
  expect(await auditEvents(ledger, evidence)).toEqual([]);
  expect(await auditArchive(ledger, evidence)).toEqual([]);
});

test('the audit itself notices what is lost, doubled or altered', async () => {
  const segments = (await readArchive(ledger.config)).filter(
    ({ topic }) => topic === ledger.topic('profiles'),
  );
  const victim = segments.find(({ schemaId }) => schemaId !== null);
  if (victim === undefined) throw new Error('no segment of profile changes');
  const { connectionString, container, prefix } = ledger.config.blob;
  const blob = BlobServiceClient.fromConnectionString(connectionString ?? '')
    .getContainerClient(container)
    .getBlobClient(prefix + victim.path);
  await blob.delete();
  expect(await auditArchive(ledger, evidence)).toContainEqual(
    expect.stringContaining(`missing ${victim.partition}/${victim.records[0]?.offset}`),
  );

  const [gone, other] = await ledger.rows<{ event_id: string }>(
    'SELECT DISTINCT event_id FROM events ORDER BY event_id LIMIT 2',
  );
  await ledger.harness.client.command({
    query: `ALTER TABLE events DELETE WHERE event_id = '${gone?.event_id}' SETTINGS mutations_sync = 1`,
  });
  await ledger.harness.client.command({
    query: `INSERT INTO events (* EXCEPT (precedence)) SELECT * REPLACE (concat(event_id, '-again') AS event_id)
            FROM events AS e WHERE e.event_id = '${other?.event_id}' LIMIT 1`,
  });
  const findings = await auditEvents(ledger, evidence);
  expect(findings).toContainEqual(expect.stringMatching(`events: missing .*${gone?.event_id}`));
  expect(findings).toContainEqual(expect.stringMatching(`events: unexpected .*${other?.event_id}-again`));

  const [letter, ...others] = evidence.judged.delivery.bad;
  const withOneMore = { ...evidence.judged, delivery: { ...evidence.judged.delivery, bad: others } };
  expect(await auditLetters(ledger, { ...evidence, judged: withOneMore })).toEqual([
    expect.stringMatching(`unexpected .*/${letter?.partition}/${letter?.offset}:`),
  ]);
});

const placeOf = ({ partition, offset }: { partition: number; offset: number }) => `${partition}/${offset}`;

const textOf = ({ timestamp, key, value }: Pick<SeenRecord, 'timestamp' | 'key' | 'value'>) =>
  JSON.stringify({ timestamp, key: key?.toString('hex') ?? null, value: value?.toString('hex') ?? null });

const COORDINATES =
  'partition, offset, toUnixTimestamp64Milli(timestamp) AS recorded, hex(key) AS key_hex, schema_id';

interface Coordinates {
  readonly partition: number;
  readonly offset: number;
  readonly recorded: number;
  readonly key_hex: string | null;
  readonly schema_id: number;
}

function blobs(folder: string, role: TopicRole) {
  const { connectionString: connection, container, prefix } = ledger.config.blob;
  return { connection, container, path: `${prefix}${folder}/${ledger.topic(role)}/**.avro` };
}

const FROM_BLOBS = "azureBlobStorage({connection:String}, {container:String}, {path:String}, 'Avro')";

/** Fields as the engine's own Avro reader gives them, encoded again by Avro's own library. */
async function readDecoded(role: TopicRole): Promise<(readonly [string, string])[]> {
  const [[schemaId, type] = []] = ledger.writers(role);
  if (schemaId === undefined || type === undefined) throw new Error(`${role} has no writer`);
  const times = TIMES[role].map((name) => `toUnixTimestamp64Milli(value.${name}) AS ${name}`);
  const rows = await ledger.rows<Coordinates & { value: Record<string, unknown> } & Record<string, unknown>>(
    `SELECT ${[COORDINATES, 'value', ...times].join(', ')} FROM ${FROM_BLOBS}`,
    blobs('raw', role),
  );
  return rows.map((row) => {
    expect(row.schema_id).toBe(schemaId);
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(schemaId, 1);
    const milliseconds = Object.fromEntries(TIMES[role].map((name) => [name, row[name]]));
    const payload = type.toBuffer({ ...row.value, ...milliseconds });
    return [placeOf(row), restored(row, Buffer.concat([frame, payload]))];
  });
}

const TIMES: Readonly<Record<TopicRole, readonly string[]>> = {
  definitions: ['updated_at', 'starts_at', 'ends_at'],
  delivery: ['occurred_at'],
  feedback: ['occurred_at'],
  profiles: ['changed_at'],
};

async function readUndecodable(role: TopicRole): Promise<(readonly [string, string])[]> {
  const rows = await ledger.rows<Coordinates & { value_hex: string | null }>(
    `SELECT ${COORDINATES}, hex(value) AS value_hex FROM ${FROM_BLOBS}`,
    blobs('undecodable', role),
  );
  return rows.map((row) => {
    expect(row.schema_id).toBe(-1);
    return [placeOf(row), restored(row, row.value_hex === null ? null : Buffer.from(row.value_hex, 'hex'))];
  });
}

function restored({ recorded, key_hex }: Coordinates, value: Buffer | null): string {
  return textOf({ timestamp: recorded, key: key_hex === null ? null : Buffer.from(key_hex, 'hex'), value });
}
