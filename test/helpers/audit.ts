/** Holds everything that a ledger stores against what a plain consumer reads from Kafka: nothing lost, nothing twice. */
import { isDeepStrictEqual } from 'node:util';
import type { TopicRole } from '../../config/topics.ts';
import { type ArchivedRecord, type ArchivedSegment, readArchive } from './archive-witness.ts';
import type { SeenRecord } from './kafka-witness.ts';
import {
  expectedEvents,
  expectedMessages,
  expectedVersions,
  firstRecorded,
  type Judged,
  judge,
} from './ledger-oracle.ts';
import { ROLES, type WholeLedger } from './whole-ledger.ts';

/** What Kafka has, judged. */
export interface Evidence {
  readonly records: Readonly<Record<TopicRole, readonly SeenRecord[]>>;
  readonly judged: Readonly<Record<TopicRole, Judged>>;
  readonly topicIds: ReadonlyMap<string, string>;
}

export async function gatherEvidence(ledger: WholeLedger): Promise<Evidence> {
  const [definitions = [], delivery = [], feedback = [], profiles = []] = await Promise.all(
    ROLES.map((role) => ledger.records(role)),
  );
  const records = { definitions, delivery, feedback, profiles };
  const of = (role: TopicRole) => judge(records[role], role, ledger.writers(role));
  return {
    records,
    judged: {
      definitions: of('definitions'),
      delivery: of('delivery'),
      feedback: of('feedback'),
      profiles: of('profiles'),
    },
    topicIds: await ledger.topicIds(),
  };
}

/** Every discrepancy as a line; none when all is well. */
export async function audit(ledger: WholeLedger, evidence?: Evidence): Promise<string[]> {
  const seen = evidence ?? (await gatherEvidence(ledger));
  return [
    ...(await auditArchive(ledger, seen)),
    ...(await auditEvents(ledger, seen)),
    ...(await auditDefinitions(ledger, seen)),
    ...(await auditProfiles(ledger, seen)),
    ...(await auditLetters(ledger, seen, { mayRepeat: true })),
  ];
}

export async function auditArchive(
  ledger: WholeLedger,
  { records, topicIds }: Pick<Evidence, 'records' | 'topicIds'>,
): Promise<string[]> {
  const segments = await readArchive(ledger.config);
  const findings = chainFaults(segments);
  for (const role of ROLES) {
    const topic = ledger.topic(role);
    const own = segments.filter((segment) => segment.topic === topic);
    if (own.some(({ topicId }) => topicId !== topicIds.get(topic)))
      findings.push(`${topic}: another topic's id`);
    findings.push(
      ...differences(`archive of ${topic}`, {
        expected: new Map(records[role].map((record) => [placeOf(record), comparable(record)])),
        actual: own.flatMap((segment) =>
          segment.records.map((record) => [placeOf(record), comparable(record)] as const),
        ),
      }),
    );
  }
  return findings;
}

const placeOf = ({ partition, offset }: { partition: number; offset: number }) => `${partition}/${offset}`;

const hex = (bytes: Buffer | null) => bytes?.toString('hex') ?? null;

function comparable({ timestamp, key, value, headers }: SeenRecord | ArchivedRecord): object {
  return { timestamp, key: hex(key), value: hex(value), headers };
}

/** From offset 0 on without gap or overlap, each batch with all its parts, each part as its metadata says. */
function chainFaults(segments: readonly ArchivedSegment[]): string[] {
  const findings: string[] = [];
  const chains = Map.groupBy(segments, ({ topic, topicId, partition }) => `${topic}/${topicId}/${partition}`);
  for (const [name, chain] of chains) {
    let next = 0;
    for (const batch of Map.groupBy(chain, ({ first }) => first).values()) {
      const [{ first, last } = { first: Number.NaN, last: Number.NaN }] = batch;
      if (first !== next || last < first) findings.push(`${name}: ${first}..${last} where ${next} is next`);
      next = last + 1;
      findings.push(...batchFaults(batch).map((fault) => `${name} ${first}..${last}: ${fault}`));
    }
  }
  return findings;
}

function batchFaults(batch: readonly ArchivedSegment[]): string[] {
  const findings: string[] = [];
  const all = batch.flatMap(({ records }) => records);
  const earliest = all.reduce<ArchivedRecord | undefined>(
    (least, one) => (least === undefined || one.offset < least.offset ? one : least),
    undefined,
  );
  const hour = new Date(earliest?.timestamp ?? 0).toISOString().slice(0, 13);
  for (const { path, metadata, sha256, records, first, last, schemaId, partition, ...segment } of batch) {
    const said = (name: string) => metadata[name];
    if (last !== batch[0]?.last) findings.push(`${path}: parts of one batch end at different offsets`);
    if (said('sha256') !== sha256) findings.push(`${path}: sha256 is ${sha256}, not ${said('sha256')}`);
    if (said('count') !== String(records.length)) findings.push(`${path}: ${records.length} records`);
    if (said('batchcount') !== String(all.length))
      findings.push(`${path}: ${all.length} records in its batch`);
    if (said('partcount') !== String(batch.length))
      findings.push(`${path}: ${batch.length} parts in its batch`);
    if (segment.hour !== hour) findings.push(`${path}: its first record is of ${hour}`);
    for (const record of records) {
      const isInside = record.offset >= first && record.offset <= last && record.partition === partition;
      if (!isInside || record.schemaId !== (schemaId ?? -1))
        findings.push(`${path}: record ${placeOf(record)}`);
    }
  }
  return findings;
}

export async function auditEvents(
  ledger: WholeLedger,
  { judged, topicIds }: Pick<Evidence, 'judged' | 'topicIds'>,
): Promise<string[]> {
  const expected = expectedEvents(
    { delivery: judged.delivery.good, feedback: judged.feedback.good },
    topicIds,
  );
  const events = await ledger.rows(
    `SELECT * EXCEPT (occurred_at, occurred_on, recorded_at), toUnixTimestamp64Milli(occurred_at) AS occurred_at,
       toUnixTimestamp64Milli(recorded_at) AS recorded_at
     FROM {bi}.events`,
  );
  const messages = await ledger.rows(
    `SELECT tenant_id, campaign_id, user_id, message_id, toUnixTimestamp64Milli(sent_at) AS sent_at, events,
       toUnixTimestamp64Milli(last_event_at) AS last_event_at, sent, delivered, bounced, opened, machine_opened, clicked
     FROM {bi}.messages`,
  );
  return [
    ...differences('events', {
      expected,
      actual: events.map(
        (row) => [keyOf(row, 'tenant_id', 'user_id', 'message_id', 'type', 'event_id'), row] as const,
      ),
    }),
    ...differences('messages', {
      expected: expectedMessages(expected.values()),
      actual: messages.map(({ tenant_id, campaign_id, user_id, message_id, ...row }) => [
        JSON.stringify([tenant_id, campaign_id, user_id, message_id]),
        row,
      ]),
    }),
  ];
}

export async function auditDefinitions(
  ledger: WholeLedger,
  { judged, topicIds }: Pick<Evidence, 'judged' | 'topicIds'>,
): Promise<string[]> {
  const rows = await ledger.rows<{ source: string; offset: number }>(
    `SELECT tenant_id, campaign_id, toUnixTimestamp64Milli(updated_at) AS updated_at, name, source, offset
     FROM campaigns FINAL`,
  );
  return differences('campaigns', {
    expected: new Map(
      judged.definitions.good.map(({ record, value }) => {
        const source = `${topicIds.get(record.topic)}/${record.partition}`;
        const { tenant_id, campaign_id, updated_at, name } = value;
        return [`${source}/${record.offset}`, { tenant_id, campaign_id, updated_at, name }];
      }),
    ),
    actual: rows.map(({ source, offset, ...row }) => [`${source}/${offset}`, row]),
  });
}

export async function auditProfiles(
  ledger: WholeLedger,
  { judged }: Pick<Evidence, 'judged'>,
): Promise<string[]> {
  const { good } = judged.profiles;
  const changes = await ledger.rows(
    'SELECT DISTINCT tenant_id, user_id, change_id FROM profile_changes FINAL',
  );
  const rows = await ledger.rows<Record<string, unknown> & { attributes: string }>(
    `SELECT tenant_id, user_id, version, toUnixTimestamp64Milli(valid_from) AS valid_from,
       toUnixTimestamp64Milli(valid_to) AS valid_to, status, attributes, change_ids,
       toUnixTimestamp64Milli(recorded_at) AS recorded_at
     FROM {bi}.profile_versions ORDER BY tenant_id, user_id, valid_from`,
  );
  const versions = Map.groupBy(rows, (row) => keyOf(row, 'tenant_id', 'user_id'));
  const identities = firstRecorded(good, (value) => [value.tenant_id, value.user_id, value.change_id]);
  return [
    ...differences('profile_changes', {
      expected: new Map([...identities.keys()].map((key) => [key, true])),
      actual: changes.map((row) => [keyOf(row, 'tenant_id', 'user_id', 'change_id'), true] as const),
    }),
    ...differences('profile_versions', {
      expected: expectedVersions(good),
      actual: [...versions].map(([user, own]) => [
        user,
        own.map(({ tenant_id: _, user_id: __, attributes, ...version }) => ({
          ...version,
          attributes: JSON.parse(attributes) as unknown,
        })),
      ]),
    }),
  ];
}

/** @param mayRepeat a process that was killed may have sent a letter twice; the same letter, and not another */
export async function auditLetters(
  ledger: WholeLedger,
  { judged, topicIds }: Pick<Evidence, 'judged' | 'topicIds'>,
  { mayRepeat = false }: { mayRepeat?: boolean } = {},
): Promise<string[]> {
  const findings = ROLES.map(async (role) => {
    const topic = ledger.topic(role);
    const actual = (await ledger.letters(role)).map(({ key, value, headers }) => {
      const dl = Object.fromEntries(headers.filter(([name]) => name.startsWith('dl.')));
      const place = `${dl['dl.topic']}/${dl['dl.topic-id']}/${dl['dl.partition']}/${dl['dl.offset']}`;
      const isExplained = Boolean(
        dl['dl.code'] && dl['dl.reason'] && !Number.isNaN(Date.parse(dl['dl.at'] ?? '')),
      );
      const foreign = headers.filter(([name]) => !LETTER_HEADERS.has(name));
      return [place, { key: hex(key), value: hex(value), headers: foreign, isExplained }] as const;
    });
    const expected = new Map(
      judged[role].bad.map(({ key, value, headers, partition, offset }) => [
        `${topic}/${topicIds.get(topic)}/${partition}/${offset}`,
        { key: hex(key), value: hex(value), headers, isExplained: true },
      ]),
    );
    const isRepeated = ([place, letter]: (typeof actual)[number], index: number) =>
      actual.findIndex(([other, one]) => other === place && isDeepStrictEqual(one, letter)) < index;
    const once = mayRepeat ? actual.filter((one, index) => !isRepeated(one, index)) : actual;
    return differences(`dead letters of ${topic}`, { expected, actual: once });
  });
  return (await Promise.all(findings)).flat();
}

/** What a pipeline adds to a letter; `dl.replay-of` it finds on the record. */
const LETTER_HEADERS = new Set(
  ['code', 'reason', 'topic', 'topic-id', 'partition', 'offset', 'at', 'cut'].map((name) => `dl.${name}`),
);

const MAX_FINDINGS = 10;

/** Every line names one key that is missing, unexpected, there twice, or other than expected. */
export function differences(
  what: string,
  {
    expected,
    actual,
  }: { expected: ReadonlyMap<string, unknown>; actual: readonly (readonly [string, unknown])[] },
): string[] {
  const findings: string[] = [];
  const met = new Set<string>();
  for (const [key, value] of actual) {
    if (!expected.has(key)) findings.push(`${what}: unexpected ${key}: ${JSON.stringify(value)}`);
    else if (met.has(key)) findings.push(`${what}: twice ${key}`);
    else if (!isDeepStrictEqual(value, expected.get(key)))
      findings.push(`${what}: ${key} is ${JSON.stringify(value)}, not ${JSON.stringify(expected.get(key))}`);
    met.add(key);
  }
  for (const key of expected.keys()) if (!met.has(key)) findings.push(`${what}: missing ${key}`);
  const more = findings.length - MAX_FINDINGS;
  return more > 0 ? [...findings.slice(0, MAX_FINDINGS), `${what}: and ${more} more`] : findings;
}

function keyOf(row: Readonly<Record<string, unknown>>, ...columns: readonly string[]): string {
  return JSON.stringify(columns.map((column) => row[column]));
}
