/** Holds everything that a ledger stores against what a plain consumer reads from Kafka: nothing lost, nothing twice. */
import type { TopicRole } from '../../config/topics.ts';
import { type ArchivedRecord, type ArchivedSegment, readArchive } from './archive-witness.ts';
import { compare, type Finding, textsOf, withoutRepeats } from './findings.ts';
import type { SeenRecord } from './kafka-witness.ts';
import {
  type EventRow,
  expectedEvents,
  expectedMessages,
  expectedVersions,
  firstRecorded,
  type Judged,
  judge,
} from './ledger-oracle.ts';
import { expectedStats, roundedSum, STATS_COLUMNS } from './stats-oracle.ts';
import { ROLES, type WholeLedger } from './whole-ledger.ts';

export { differences } from './findings.ts';

/** Offsets that Kafka dropped before anybody had read them, and whose loss somebody has accepted. */
export interface Hole {
  readonly topicId: string;
  readonly partition: number;
  readonly first: number;
  readonly last: number;
}

/** What Kafka has, judged. */
export interface Evidence {
  readonly records: Readonly<Record<TopicRole, readonly SeenRecord[]>>;
  readonly judged: Readonly<Record<TopicRole, Judged>>;
  readonly topicIds: ReadonlyMap<string, string>;
  readonly holes: readonly Hole[];
}

export type SeenRecords = Readonly<Record<TopicRole, readonly SeenRecord[]>>;

/** Every record that Kafka has now. */
export async function witness(ledger: WholeLedger): Promise<SeenRecords> {
  const [definitions = [], delivery = [], feedback = [], profiles = []] = await Promise.all(
    ROLES.map((role) => ledger.records(role)),
  );
  return { definitions, delivery, feedback, profiles };
}

/** @param records those that Kafka has now, when left out */
export async function gatherEvidence(
  ledger: WholeLedger,
  { records: given, holes = [] }: { records?: SeenRecords; holes?: readonly Hole[] } = {},
): Promise<Evidence> {
  const records = given ?? (await witness(ledger));
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
    holes,
  };
}

/** Every discrepancy as a line; none when all is well. */
export async function audit(ledger: WholeLedger, evidence?: Evidence): Promise<string[]> {
  return textsOf(await auditFindings(ledger, evidence ?? (await gatherEvidence(ledger))));
}

export async function auditFindings(ledger: WholeLedger, evidence: Evidence): Promise<Finding[]> {
  return [
    ...(await archiveFindings(ledger, evidence)),
    ...(await eventFindings(ledger, evidence)),
    ...(await definitionFindings(ledger, evidence)),
    ...(await profileFindings(ledger, evidence)),
    ...(await letterFindings(ledger, evidence, { mayRepeat: true })),
  ];
}

export async function auditArchive(
  ledger: WholeLedger,
  evidence: Pick<Evidence, 'records'> & Partial<Pick<Evidence, 'holes'>>,
): Promise<string[]> {
  return textsOf(await archiveFindings(ledger, evidence));
}

async function archiveFindings(
  ledger: WholeLedger,
  { records, holes = [] }: Pick<Evidence, 'records'> & Partial<Pick<Evidence, 'holes'>>,
): Promise<Finding[]> {
  const segments = await readArchive(ledger.config);
  const findings = chainFaults(segments, holes);
  for (const role of ROLES) {
    const topic = ledger.topic(role);
    const own = segments.filter((segment) => segment.topic === topic);
    findings.push(
      ...compare(`archive of ${topic}`, {
        expected: new Map(records[role].map((record) => [placeOf(record), comparable(record)])),
        actual: own.flatMap(({ topicId, records }) =>
          records.map((record) => [placeOf({ ...record, topicId }), comparable(record)] as const),
        ),
      }),
    );
  }
  return findings;
}

const placeOf = ({ topicId, partition, offset }: Pick<SeenRecord, 'topicId' | 'partition' | 'offset'>) =>
  `${partition}/${offset} of ${topicId}`;

const hex = (bytes: Buffer | null) => bytes?.toString('hex') ?? null;

function comparable({ timestamp, key, value, headers }: SeenRecord | ArchivedRecord): object {
  return { timestamp, key: hex(key), value: hex(value), headers };
}

/** From offset 0 on without overlap or a gap that nobody accepted, each batch with all its parts, each part as its metadata says. */
function chainFaults(segments: readonly ArchivedSegment[], holes: readonly Hole[]): Finding[] {
  const findings: string[] = [];
  const chains = Map.groupBy(segments, ({ topic, topicId, partition }) => `${topic}/${topicId}/${partition}`);
  for (const [name, chain] of chains) {
    const afterHole = (at: number) => {
      const hole = holes.find(
        ({ topicId, partition, first }) =>
          first === at && topicId === chain[0]?.topicId && partition === chain[0]?.partition,
      );
      return hole === undefined ? at : hole.last + 1;
    };
    let next = afterHole(0);
    for (const batch of Map.groupBy(chain, ({ first }) => first).values()) {
      const [{ first, last } = { first: Number.NaN, last: Number.NaN }] = batch;
      if (first !== next || last < first) findings.push(`${name}: ${first}..${last} where ${next} is next`);
      next = afterHole(last + 1);
      findings.push(...batchFaults(batch).map((fault) => `${name} ${first}..${last}: ${fault}`));
    }
  }
  return findings.map((text) => ({ kind: 'broken', text }));
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
        findings.push(`${path}: record ${record.partition}/${record.offset}`);
    }
  }
  return findings;
}

export async function auditEvents(
  ledger: WholeLedger,
  evidence: Pick<Evidence, 'judged'>,
): Promise<string[]> {
  return textsOf(await eventFindings(ledger, evidence));
}

async function eventFindings(ledger: WholeLedger, { judged }: Pick<Evidence, 'judged'>): Promise<Finding[]> {
  const expected = expectedEvents({ delivery: judged.delivery.good, feedback: judged.feedback.good });
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
    ...compare('events', {
      expected,
      actual: events.map(
        (row) => [keyOf(row, 'tenant_id', 'user_id', 'message_id', 'type', 'event_id'), row] as const,
      ),
    }),
    ...compare('messages', {
      expected: expectedMessages(expected.values()),
      actual: messages.map(({ tenant_id, campaign_id, user_id, message_id, ...row }) => [
        JSON.stringify([tenant_id, campaign_id, user_id, message_id]),
        row,
      ]),
    }),
    ...(await statsFindings(ledger, [...expected.values()])),
  ];
}

async function statsFindings(ledger: WholeLedger, events: readonly EventRow[]): Promise<Finding[]> {
  const stats = await ledger.rows(
    `SELECT tenant_id, campaign_id, toUnixTimestamp64Milli(hour) AS hour, ${STATS_COLUMNS.join(', ')} FROM campaign_stats`,
  );
  return compare('campaign_stats', {
    expected: expectedStats(events),
    actual: stats.map(({ tenant_id, campaign_id, hour, conversion_value, ...row }) => [
      JSON.stringify([tenant_id, campaign_id, hour]),
      { ...row, conversion_value: roundedSum([Number(conversion_value)]) },
    ]),
  });
}

export async function auditDefinitions(
  ledger: WholeLedger,
  evidence: Pick<Evidence, 'judged'>,
): Promise<string[]> {
  return textsOf(await definitionFindings(ledger, evidence));
}

async function definitionFindings(
  ledger: WholeLedger,
  { judged }: Pick<Evidence, 'judged'>,
): Promise<Finding[]> {
  const rows = await ledger.rows<{ source: string; offset: number }>(
    `SELECT tenant_id, campaign_id, toUnixTimestamp64Milli(updated_at) AS updated_at, name, source, offset
     FROM campaigns FINAL`,
  );
  return compare('campaigns', {
    expected: new Map(
      judged.definitions.good.map(({ record, value }) => {
        const source = `${record.topicId}/${record.partition}`;
        const { tenant_id, campaign_id, updated_at, name } = value;
        return [`${source}/${record.offset}`, { tenant_id, campaign_id, updated_at, name }];
      }),
    ),
    actual: rows.map(({ source, offset, ...row }) => [`${source}/${offset}`, row]),
  });
}

export async function auditProfiles(
  ledger: WholeLedger,
  evidence: Pick<Evidence, 'judged'>,
): Promise<string[]> {
  return textsOf(await profileFindings(ledger, evidence));
}

async function profileFindings(
  ledger: WholeLedger,
  { judged }: Pick<Evidence, 'judged'>,
): Promise<Finding[]> {
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
    ...compare('profile_changes', {
      expected: new Map([...identities.keys()].map((key) => [key, true])),
      actual: changes.map((row) => [keyOf(row, 'tenant_id', 'user_id', 'change_id'), true] as const),
    }),
    ...compare('profile_versions', {
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
  evidence: Pick<Evidence, 'judged'>,
  options: { mayRepeat?: boolean } = {},
): Promise<string[]> {
  return textsOf(await letterFindings(ledger, evidence, options));
}

async function letterFindings(
  ledger: WholeLedger,
  { judged }: Pick<Evidence, 'judged'>,
  { mayRepeat = false }: { mayRepeat?: boolean },
): Promise<Finding[]> {
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
      judged[role].bad.map(({ topicId, key, value, headers, partition, offset }) => [
        `${topic}/${topicId}/${partition}/${offset}`,
        { key: hex(key), value: hex(value), headers, isExplained: true },
      ]),
    );
    const once = mayRepeat ? withoutRepeats(actual) : actual;
    return compare(`dead letters of ${topic}`, { expected, actual: once });
  });
  return (await Promise.all(findings)).flat();
}

/** What a pipeline adds to a letter; `dl.replay-of` it finds on the record. */
const LETTER_HEADERS = new Set(
  ['code', 'reason', 'topic', 'topic-id', 'partition', 'offset', 'at', 'cut'].map((name) => `dl.${name}`),
);

function keyOf(row: Readonly<Record<string, unknown>>, ...columns: readonly string[]): string {
  return JSON.stringify(columns.map((column) => row[column]));
}
