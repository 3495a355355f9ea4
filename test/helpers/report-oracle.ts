/** What a user's report must say, computed from the records as they were produced, record by record and instant by instant. */
import { firstRecorded, type GoodRecord } from './ledger-oracle.ts';
import { type OracleChange, type OracleVersion, oracleVersions } from './profile-oracle.ts';

export interface Produced {
  readonly delivery: readonly GoodRecord[];
  readonly feedback: readonly GoodRecord[];
  readonly definitions: readonly GoodRecord[];
  readonly profiles: readonly GoodRecord[];
}

export interface OracleQuestion {
  readonly userId: string;
  readonly knownAt: number;
  readonly from: number;
  readonly to: number;
  readonly by: 'send' | 'interaction';
}

const iso = (time: unknown) => new Date(Number(time)).toISOString();
const byRecording = ({ record: a }: GoodRecord, { record: b }: GoodRecord) =>
  a.timestamp - b.timestamp || a.partition - b.partition || a.offset - b.offset;
const byTime = (a: GoodRecord, b: GoodRecord) =>
  Number(a.value.occurred_at) - Number(b.value.occurred_at) || byRecording(a, b);

export function versionsKnown(
  profiles: readonly GoodRecord[],
  userId: string,
  knownAt: number,
): OracleVersion[] {
  const changes = profiles
    .filter(({ record, value }) => value.user_id === userId && record.timestamp <= knownAt)
    .map(({ record, value }) => ({ ...value, record }) as unknown as OracleChange);
  return oracleVersions(changes);
}

/** Keys of objects in any order. @returns records and profile versions as the JSON has them */
export function expectedReport(produced: Produced, { userId, knownAt, from, to, by }: OracleQuestion) {
  const isKnown = ({ record, value }: GoodRecord) =>
    record.timestamp <= knownAt && (value.user_id === undefined || value.user_id === userId);
  const versions = versionsKnown(produced.profiles, userId, knownAt);
  const named = new Set<number>();
  const versionAt = (instant: number) => versions.findLast(({ valid_from }) => valid_from <= instant);
  const refAt = (instant: number) => {
    const version = versionAt(instant);
    if (version?.status !== 'found')
      return { status: version === undefined ? 'none_yet' : 'deleted', version: null, valid_from: null };
    named.add(version.valid_from);
    return { status: 'found', version: version.version, valid_from: iso(version.valid_from) };
  };
  const kinds = new Map<GoodRecord, 'delivery' | 'feedback'>();
  const messages = new Map<string, GoodRecord[]>();
  for (const kind of ['delivery', 'feedback'] as const) {
    const identity = (value: GoodRecord['value']) => [value.message_id, value.type, value.event_id];
    for (const event of firstRecorded(produced[kind].filter(isKnown), identity).values()) {
      kinds.set(event, kind);
      const id = String(event.value.message_id);
      messages.set(id, [...(messages.get(id) ?? []), event]);
    }
  }
  const isWithin = (event: GoodRecord) =>
    Number(event.value.occurred_at) >= from && Number(event.value.occurred_at) < to;
  const sends = [...messages.values()].flatMap((events) => {
    const [send] =
      [
        events.filter((one) => kinds.get(one) === 'delivery' && one.value.type === 'SENT'),
        events.filter((one) => kinds.get(one) === 'delivery'),
        events,
      ]
        .find((some) => some.length > 0)
        ?.toSorted(byTime) ?? [];
    if (send === undefined) return [];
    return (by === 'send' ? isWithin(send) : events.some(isWithin)) ? [{ send, events }] : [];
  });
  sends.sort(
    (a, b) =>
      Number(a.send.value.occurred_at) - Number(b.send.value.occurred_at) ||
      Buffer.compare(
        Buffer.from(String(a.send.value.message_id)),
        Buffer.from(String(b.send.value.message_id)),
      ),
  );
  const text = (value: unknown) => value ?? null;
  const entry = ({ value }: GoodRecord) => ({
    event_id: value.event_id,
    type: value.type,
    occurred_at: iso(value.occurred_at),
    profile: refAt(Number(value.occurred_at)),
  });
  const records = sends.map(({ send, events }) => {
    const of = (kind: string) => events.filter((one) => kinds.get(one) === kind).toSorted(byTime);
    const definition = produced.definitions
      .filter((one) => one.record.timestamp <= knownAt && one.value.campaign_id === send.value.campaign_id)
      .toSorted((a, b) => Number(a.value.updated_at) - Number(b.value.updated_at) || byRecording(a, b))
      .at(-1);
    return {
      message_id: send.value.message_id,
      sent_at: iso(send.value.occurred_at),
      variant: text(send.value.variant),
      campaign: {
        campaign_id: send.value.campaign_id,
        name: text(definition?.value.name),
        channel: send.value.channel,
        subject: text(definition?.value.subject),
      },
      delivery: of('delivery').map((one) => ({
        ...entry(one),
        reason: text(one.value.reason),
        provider: text(one.value.provider),
      })),
      feedback: of('feedback').map((one) => ({
        ...entry(one),
        link: text(one.value.link),
        is_machine: one.value.is_machine,
        value: text(one.value.value),
        user_agent: text(one.value.user_agent),
      })),
      profile: refAt(Number(send.value.occurred_at)),
    };
  });
  const profile_versions = versions
    .filter(({ valid_from }) => named.has(valid_from))
    .map(({ version, valid_from, valid_to, attributes }) => ({
      version,
      valid_from: iso(valid_from),
      valid_to: valid_to === null ? null : iso(valid_to),
      attributes,
    }));
  return { records, profile_versions };
}
