/** Ranges that are loaded back into tables where they are missing; what stops it, and what is wrong with the archive. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { ArchiveDamage } from '../../helpers/archive-damage.ts';
import type { SeenRecord } from '../../helpers/kafka-witness.ts';
import { NOON } from '../../helpers/ledger-values.ts';
import { type Answer, ledgerCommand } from '../../helpers/pipeline-child.ts';
import { produceLoad } from '../../helpers/restore-load.ts';
import { emptyTables, tableDigests } from '../../helpers/table-digests.ts';
import { ROLES, WholeLedger } from '../../helpers/whole-ledger.ts';

let ledger: WholeLedger;

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
  await produceLoad(ledger, 'one');
  const archive = ledger.start(['archive']);
  await ledger.caughtUp(['archive']);
  await archive.stop();
});

afterAll(() => ledger[Symbol.asyncDispose]());

beforeEach(() => emptyTables(ledger));

const restore = (options: readonly string[], faults = ''): Promise<Answer> =>
  ledgerCommand(['archive', 'restore', '--to', 'clickhouse', ...options, '--config', ledger.configFile], {
    LEDGER_FAULT_POINTS: faults,
  });

interface Event {
  readonly tenant_id: string;
  readonly user_id: string;
  readonly campaign_id: string;
  readonly message_id: string;
  readonly event_id: string;
  readonly type: string;
  readonly occurred_at: number;
}

interface SeenEvent {
  readonly record: SeenRecord;
  readonly event: Event;
}

/** Events as a plain consumer and Avro's own decoder see them. */
async function events(): Promise<SeenEvent[]> {
  const seen: SeenEvent[] = [];
  for (const role of ['delivery', 'feedback'] as const) {
    const { schemaId, type } = ledger.harness.encoders[role];
    for (const record of await ledger.records(role)) {
      const { value } = record;
      if (value === null || value.length < 6 || value[0] !== 0 || value.readInt32BE(1) !== schemaId) continue;
      seen.push({ record, event: type.fromBuffer(value.subarray(5)) as Event });
    }
  }
  return seen;
}

const nameOf = ({ tenant_id, user_id, message_id, type, event_id }: Event) =>
  [tenant_id, user_id, message_id, type, event_id].join('/');

/** Each identity once, in order. */
async function expectEvents(isChosen: (one: SeenEvent) => boolean): Promise<void> {
  const expected = [...new Set((await events()).filter(isChosen).map(({ event }) => nameOf(event)))].sort();
  expect(expected.length).toBeGreaterThan(0);
  const stored = await ledger.rows<Event>(
    'SELECT tenant_id, user_id, message_id, type, event_id FROM events FINAL',
  );
  expect(stored.map(nameOf).sort()).toEqual(expected);
}

describe('restore --to clickhouse', () => {
  it('loads one user, twice with the same result', async () => {
    for (let time = 0; time < 2; time += 1) {
      const { exitCode, stderr } = await restore(['--tenant', 'acme', '--user', 'u7']);
      expect(exitCode, stderr).toBe(0);
      await expectEvents(({ event }) => event.tenant_id === 'acme' && event.user_id === 'u7');
      // The profile too, folded: 15 changes at 15 times.
      expect(
        await ledger.rows(
          'SELECT DISTINCT user_id, count() AS n FROM profile_versions FINAL GROUP BY user_id',
        ),
      ).toEqual([{ user_id: 'u7', n: 15 }]);
    }
  });

  it('loads one campaign, and stretches of event times', async () => {
    const from = NOON - 48 * 3_600_000;
    const { exitCode, stderr } = await restore([
      ...['--tenant', 'globex', '--campaign', 'spring'],
      ...['--event-from', new Date(from).toISOString(), '--event-until', new Date(NOON).toISOString()],
    ]);
    expect(exitCode, stderr).toBe(0);
    await expectEvents(
      ({ event }) =>
        event.tenant_id === 'globex' &&
        event.campaign_id === 'spring' &&
        event.occurred_at >= from &&
        event.occurred_at < NOON,
    );
  });

  it('loads offsets of a partition, and stretches of Kafka times', async () => {
    const topic = ledger.topic('feedback');
    const offsets = ['--partition', '1', '--first', '10', '--last', '60'];
    const first = await restore([topic, ...offsets]);
    expect(first.exitCode, first.stderr).toBe(0);
    await expectEvents(
      ({ record }) =>
        record.topic === topic && record.partition === 1 && record.offset >= 10 && record.offset <= 60,
    );
    const times = (await events()).map(({ record }) => record.timestamp).sort((a, b) => a - b);
    const middle = times[times.length >> 1] ?? 0;
    await ledger.harness.client.command({ query: 'TRUNCATE TABLE events SYNC' });
    const second = await restore(['--until', new Date(middle).toISOString()]);
    expect(second.exitCode, second.stderr).toBe(0);
    await expectEvents(({ record }) => record.timestamp < middle);
  });

  it('goes on where it was killed', async () => {
    const topics = ROLES.map((role) => ledger.topic(role));
    expect((await restore(topics)).exitCode).toBe(0);
    const whole = await tableDigests(ledger);
    await emptyTables(ledger);
    // Behind the campaigns, which it has noted, and with the deliveries stored, which it has not.
    const killed = await restore(topics, 'restore/after-insert:2=SIGKILL');
    expect(killed.stderr).toContain('fault point restore/after-insert');
    const resumed = await restore(topics);
    expect(resumed.exitCode, resumed.stderr).toBe(0);
    expect(resumed.stderr).toContain(`going on with ${ledger.topic('definitions')}/0 at offset`);
    expect(resumed.stderr).not.toContain(`going on with ${ledger.topic('delivery')}`);
    expect(await tableDigests(ledger)).toEqual(whole);
    expect(await ledger.rows("SELECT * FROM progress WHERE pipeline LIKE 'restore%'")).toEqual([]);
  });

  it('says which segments are gone or damaged, and leaves them out when it is told to', async () => {
    const damage = new ArchiveDamage(ledger);
    const topic = ledger.topic('delivery');
    try {
      const batch = await damage.firstBatch(topic, 0);
      const segment = batch.find(({ path }) => path.startsWith('raw/'));
      if (segment === undefined) throw new Error('no segment');
      await damage.remove(segment);
      const gone = await restore([topic]);
      expect(gone.exitCode).toBe(1);
      expect(gone.stderr).toContain('nothing was restored');
      expect(gone.stderr).toMatch(/part_missing|segment_missing/);
      expect(await ledger.rows('SELECT count() AS n FROM events')).toEqual([{ n: 0 }]);

      await damage.undo();
      const flip = (bytes: Buffer) => {
        const changed = Buffer.from(bytes);
        const at = changed.length >> 1;
        changed[at] = (changed[at] ?? 0) ^ 1;
        return changed;
      };
      await damage.rewrite(segment, flip);
      const damaged = await restore([topic]);
      expect(damaged.exitCode).toBe(1);
      expect(damaged.stderr).toContain(`${segment.path}: it is not what was written`);
      const skipped = await restore([topic, '--skip-damaged']);
      expect(skipped.exitCode).toBe(3);
      expect(skipped.stderr).toContain(`skipped: ${segment.path}`);
      await expectEvents(
        ({ record }) =>
          record.topic === topic &&
          !(record.partition === 0 && record.offset >= segment.first && record.offset <= segment.last),
      );
    } finally {
      await damage.undo();
    }
  });
});
