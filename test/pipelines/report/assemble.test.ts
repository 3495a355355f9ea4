/** The rules of a report that its reader relies on: which version was valid, what counts as sent, what is in range. */
import { describe, expect, test } from 'vitest';
import { foldProfile, type ProfileChange } from '../../../pipelines/profiles/fold/fold-profile.ts';
import { Assembler } from '../../../pipelines/report/assemble.ts';
import { EventStage, type RangeBy, type ReportEvent } from '../../../pipelines/report/event-stage.ts';
import { wholeRecord } from '../../../pipelines/report/report.ts';

let nextOffset = 0;
function event(part: Partial<ReportEvent> & Pick<ReportEvent, 'type' | 'occurredAt'>): ReportEvent {
  const offset = nextOffset++;
  const isDelivery = ['QUEUED', 'SENT', 'DELIVERED', 'DEFERRED', 'BOUNCED', 'DROPPED'].includes(part.type);
  return {
    kind: isDelivery ? 'delivery' : 'feedback',
    eventId: `e${offset}`,
    messageId: 'm1',
    campaignId: 'spring',
    channel: 'EMAIL',
    variant: null,
    reason: null,
    provider: null,
    link: null,
    userAgent: null,
    isMachine: false,
    value: null,
    recordedAt: part.occurredAt,
    topicId: 'a'.repeat(32),
    partition: 0,
    offset,
    ...part,
  };
}

function change(changedAt: number, op: ProfileChange['op'], attributes: string | null): ProfileChange {
  const offset = nextOffset++;
  return {
    changeId: `c${offset}`,
    op,
    changedAt,
    sourceVersion: null,
    attributes,
    recordedAt: changedAt,
    topicId: 'b'.repeat(32),
    partition: 0,
    offset,
  };
}

const everything = { from: null, to: null };
const campaigns = new Map([['spring', { name: 'Spring sale', channel: 'EMAIL', subject: 'Hello' }]]);

function reportOf(
  events: ReportEvent[],
  changes: ProfileChange[] = [],
  range: { from: number | null; to: number | null } = everything,
  by: RangeBy = 'send',
) {
  using stage = new EventStage();
  for (const one of events) stage.add(one);
  for (const _ of stage.order(range, by));
  const assembler = new Assembler({
    history: { versions: foldProfile(changes), knownFrom: null },
    campaigns,
  });
  const records = Array.from(stage.messages(), (message) => wholeRecord(assembler.record(message)));
  return { records, profile_versions: assembler.namedVersions() };
}

describe('the records of a report', () => {
  test('a message with more events than are held in memory has all of them, in order, each once', () => {
    const at = (index: number) => 10_000 + ((index * 7919) % 5000);
    const opened = Array.from({ length: 5000 }, (_, index) =>
      event({ type: 'OPENED', occurredAt: at(index) }),
    );
    const sent = event({ type: 'SENT', occurredAt: 14_000, variant: 'B' });
    const delivered = event({ type: 'DELIVERED', occurredAt: 14_000 });
    const other = event({ type: 'SENT', occurredAt: 20_000, messageId: 'm2' });
    const copies = opened.slice(0, 100).map((one) => ({ ...one, offset: one.offset + 1_000_000 }));
    const changes = [change(1, 'SNAPSHOT', '{"plan":"free"}'), change(12_000, 'PATCH', '{"plan":"pro"}')];
    const { records, profile_versions } = reportOf([...opened, other, sent, delivered, ...copies], changes);
    expect(records.map(({ message_id, sent_at }) => [message_id, Date.parse(sent_at)])).toEqual([
      ['m1', 14_000],
      ['m2', 20_000],
    ]);
    const [first] = records;
    expect(first).toMatchObject({ variant: 'B', profile: { version: 2 } });
    expect(first?.delivery.map(({ type }) => type)).toEqual(['SENT', 'DELIVERED']);
    expect(
      first?.feedback.map((entry) => [entry.event_id, Date.parse(entry.occurred_at), entry.profile.version]),
    ).toEqual(
      [...opened]
        .sort((a, b) => a.occurredAt - b.occurredAt || a.offset - b.offset)
        .map(({ eventId, occurredAt }) => [eventId, occurredAt, occurredAt < 12_000 ? 1 : 2]),
    );
    expect(profile_versions).toHaveLength(2);
  });

  test('a version is valid from its own instant, to the millisecond before the next', () => {
    const changes = [change(1000, 'SNAPSHOT', '{"plan":"free"}'), change(2000, 'PATCH', '{"plan":"pro"}')];
    const versionAt = (instant: number) =>
      reportOf([event({ type: 'SENT', occurredAt: instant })], changes).records[0]?.profile;
    expect(versionAt(999)).toEqual({ status: 'none_yet', version: null, valid_from: null });
    expect(versionAt(1000)).toEqual({ status: 'found', version: 1, valid_from: '1970-01-01T00:00:01.000Z' });
    expect(versionAt(1999)).toMatchObject({ version: 1 });
    expect(versionAt(2000)).toMatchObject({ version: 2 });
  });

  test('each interaction names the version of its own time, and a deleted profile is said to be deleted', () => {
    const { records, profile_versions: versions } = reportOf(
      [
        event({ type: 'SENT', occurredAt: 1500 }),
        event({ type: 'OPENED', occurredAt: 2500 }),
        event({ type: 'CLICKED', occurredAt: 3500, link: 'https://shop.example/a' }),
      ],
      [
        change(1000, 'SNAPSHOT', '{"plan":"free"}'),
        change(2000, 'PATCH', '{"plan":"pro"}'),
        change(3000, 'DELETE', null),
      ],
    );
    expect(records[0]?.profile.version).toBe(1);
    expect(
      records[0]?.feedback.map((entry) => [entry.type, entry.profile.status, entry.profile.version]),
    ).toEqual([
      ['OPENED', 'found', 2],
      ['CLICKED', 'deleted', null],
    ]);
    expect(versions).toEqual([
      {
        version: 1,
        valid_from: '1970-01-01T00:00:01.000Z',
        valid_to: '1970-01-01T00:00:02.000Z',
        attributes: { plan: 'free' },
      },
      {
        version: 2,
        valid_from: '1970-01-01T00:00:02.000Z',
        valid_to: '1970-01-01T00:00:03.000Z',
        attributes: { plan: 'pro' },
      },
    ]);
  });

  test('sent_at is the earliest SENT, else the earliest delivery event, else the earliest feedback', () => {
    const sentAt = (...events: ReportEvent[]) =>
      reportOf(events).records.map((record) => Date.parse(record.sent_at));
    expect(
      sentAt(
        event({ type: 'QUEUED', occurredAt: 1 }),
        event({ type: 'SENT', occurredAt: 9 }),
        event({ type: 'SENT', occurredAt: 5 }),
        event({ type: 'OPENED', occurredAt: 2 }),
      ),
    ).toEqual([5]);
    expect(
      sentAt(
        event({ type: 'BOUNCED', occurredAt: 7 }),
        event({ type: 'DEFERRED', occurredAt: 6 }),
        event({ type: 'OPENED', occurredAt: 2 }),
      ),
    ).toEqual([6]);
    expect(
      sentAt(event({ type: 'CLICKED', occurredAt: 4 }), event({ type: 'OPENED', occurredAt: 3 })),
    ).toEqual([3]);
  });

  test('the range takes messages by sent_at, from inclusive, to exclusive, with all that came of them later', () => {
    const events = [10, 20, 30].flatMap((sent) => [
      event({ type: 'SENT', occurredAt: sent, messageId: `m${sent}` }),
      event({ type: 'OPENED', occurredAt: sent + 100, messageId: `m${sent}` }),
    ]);
    const { records } = reportOf(events, [], { from: 10, to: 30 });
    expect(records.map((record) => record.message_id)).toEqual(['m10', 'm20']);
    expect(records[1]?.feedback).toHaveLength(1);
  });

  test('by interaction the range takes messages that anything happened to in it, whenever they were sent', () => {
    const events = [10, 20, 30].flatMap((sent) => [
      event({ type: 'SENT', occurredAt: sent, messageId: `m${sent}` }),
      event({ type: 'OPENED', occurredAt: sent + 15, messageId: `m${sent}` }),
    ]);
    const ids = (from: number | null, to: number | null) =>
      reportOf(events, [], { from, to }, 'interaction').records.map((record) => record.message_id);
    expect(ids(25, 35)).toEqual(['m10', 'm30']);
    expect(ids(25, 36)).toEqual(['m10', 'm20', 'm30']);
    expect(ids(null, 11)).toEqual(['m10']);
    expect(ids(45, null)).toEqual(['m30']);
    expect(ids(46, null)).toEqual([]);
  });

  test('of two copies of one event the first recorded is told, whatever the second says', () => {
    const first = event({
      type: 'OPENED',
      occurredAt: 50,
      eventId: 'same',
      recordedAt: 100,
      userAgent: 'first',
    });
    const second = { ...first, occurredAt: 40, recordedAt: 200, userAgent: 'second', offset: 99 };
    for (const events of [
      [first, second],
      [second, first],
    ]) {
      expect(reportOf(events).records[0]?.feedback).toMatchObject([
        { user_agent: 'first', occurred_at: '1970-01-01T00:00:00.050Z' },
      ]);
    }
  });

  test('one event id for two types, as providers send it, is two events', () => {
    const { records } = reportOf([
      event({ type: 'OPENED', occurredAt: 1, eventId: 'same' }),
      event({ type: 'CLICKED', occurredAt: 2, eventId: 'same' }),
    ]);
    expect(records[0]?.feedback.map((entry) => entry.type)).toEqual(['OPENED', 'CLICKED']);
  });

  test('what changed since the record before is a merge patch; {} when nothing did; null on the first', () => {
    const { records } = reportOf(
      [15, 25, 26, 35, 45].map((sent) => event({ type: 'SENT', occurredAt: sent, messageId: `m${sent}` })),
      [
        change(
          10,
          'SNAPSHOT',
          '{"plan":"free","address":{"city":"Rome","zip":"1"},"n":12345678901234567890}',
        ),
        change(20, 'PATCH', '{"plan":null,"address":{"city":"Oslo"}}'),
        change(30, 'DELETE', null),
        change(40, 'PATCH', '{"plan":"new"}'),
      ],
    );
    expect(JSON.parse(JSON.stringify(records.map((record) => record.changed_since_previous)))).toEqual([
      null,
      { plan: null, address: { city: 'Oslo' } },
      {},
      { address: null, n: null },
      { plan: 'new' },
    ]);
  });

  test('a number beyond a double is printed with all its digits', () => {
    const report = reportOf(
      [event({ type: 'SENT', occurredAt: 5 })],
      [change(1, 'SNAPSHOT', '{"account":12345678901234567890}')],
    );
    expect(JSON.stringify(report.profile_versions)).toContain('"account":12345678901234567890');
  });

  test('a campaign without a definition keeps its id and has no name', () => {
    const { records } = reportOf([
      event({ type: 'SENT', occurredAt: 5, campaignId: 'unheard-of', channel: 'SMS' }),
    ]);
    expect(records[0]?.campaign).toEqual({
      campaign_id: 'unheard-of',
      name: null,
      channel: 'SMS',
      subject: null,
    });
  });

  test('a user without events has an empty report', () => {
    expect(reportOf([], [change(1, 'SNAPSHOT', '{}')])).toEqual({ records: [], profile_versions: [] });
  });
});
