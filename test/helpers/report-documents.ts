/** Reports made by hand: records of some months as a shop's campaigns make them, with a profile that changes meanwhile. */
import { type JsonObject, parseJson } from '../../pipelines/profiles/fold/json-value.ts';
import { applyMergePatch, mergePatchBetween } from '../../pipelines/profiles/fold/merge-patch.ts';
import type {
  DeliveryEntry,
  FeedbackEntry,
  ProfileRef,
  ReportDocument,
  ReportedVersion,
  ReportRecord,
} from '../../pipelines/report/report.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;
const MINUTE = 60_000;
/** 02:00 UTC, so that the first day is a whole one in most zones. */
const BEGIN = Date.parse('2026-05-04T02:00:00.000Z');

interface MadeCampaign {
  readonly campaign_id: string;
  readonly name: string | null;
  readonly channel: string;
  readonly subject: string | null;
  /** Shares of the whole time. */
  readonly from: number;
  readonly to: number;
}

export const CAMPAIGNS: readonly MadeCampaign[] = [
  made('welcome', 'Welcome series', 'EMAIL', 'Nice to meet you', 0, 0.2),
  made('cart-reminder', 'Cart reminder', 'PUSH', 'Still thinking about it?', 0.02, 0.98),
  made('newsletter', 'The Thursday letter', 'EMAIL', 'Five things worth your weekend', 0.02, 1),
  made('summer-sale', 'Summer sale ☀️', 'EMAIL', 'Up to 40 % off, this week only', 0.22, 0.4),
  made('restock-sms', 'Back in stock', 'SMS', null, 0.3, 0.72),
  made('ramadan', 'عروض الصيف للعملاء', 'EMAIL', 'خصم يصل إلى 40٪ هذا الأسبوع', 0.35, 0.55),
  made('loyalty-tier', 'Your loyalty tier', 'IN_APP', 'You have reached a new tier', 0.4, 0.95),
  made('family', 'Familientag 👨‍👩‍👧‍👦 im Laden', 'SOCIAL', 'Kommt alle vorbei', 0.45, 0.6),
  made('catalogue', 'Autumn catalogue', 'DIRECT_MAIL', 'The colours of autumn', 0.62, 0.74),
  made('checkout-survey', null, 'WEB', null, 0.5, 0.9),
  made('pro-upgrade', 'Two months of Pro', 'EMAIL', 'See what Pro would do for you', 0.66, 0.85),
  made('autumn-look', 'Autumn lookbook', 'EMAIL', 'New in: knitwear and coats', 0.8, 1),
];

function made(
  campaign_id: string,
  name: string | null,
  channel: string,
  subject: string | null,
  from: number,
  to: number,
): MadeCampaign {
  return { campaign_id, name, channel, subject, from, to };
}

/** A snapshot, then patches, each at its share of the whole time; the digits of the account number are beyond a double. */
const CHANGES: readonly (readonly [number, string])[] = [
  [
    -0.2,
    '{"name":"Leïla Haddad · ليلى حداد","plan":"free","city":"Oslo","language":"nb","account_number":90071992547409931234,"consent":{"email":true,"sms":false,"push":true},"interests":["garden","travel"],"loyalty":{"tier":"bronze","points":120},"household":1}',
  ],
  [0.18, '{"consent":{"sms":true},"loyalty":{"points":310}}'],
  [0.36, '{"city":"Bergen","loyalty":{"tier":"silver","points":1040}}'],
  [0.52, '{"interests":["garden","travel","knitting"],"household":2}'],
  [0.74, '{"plan":"pro","loyalty":{"points":1985},"trial_ends":"2026-10-01"}'],
  [0.9, '{"trial_ends":null,"loyalty":{"tier":"gold","points":2410}}'],
];

/** One whose records are all there. */
export interface WholeDocument extends ReportDocument {
  records(): readonly ReportRecord[];
}

export interface MadeDocument {
  readonly records: number;
  /** Days from the first send to the last. */
  readonly days?: number;
  /** Further versions that change nothing but points. */
  readonly extraVersions?: number;
}

export function shopDocument({ records: count, days = 150, extraVersions = 0 }: MadeDocument): WholeDocument {
  const random = randomFrom(7);
  const span = days * DAY;
  const history = historyOf(span, extraVersions);
  const records: ReportRecord[] = [];
  const sends = Array.from({ length: count }, (_, index) => {
    const campaign = pick(CAMPAIGNS, index < CAMPAIGNS.length ? index / CAMPAIGNS.length : random());
    const share = campaign.from + (campaign.to - campaign.from) * random();
    return { campaign, at: Math.floor(BEGIN + span * share) };
  }).sort((a, b) => a.at - b.at);
  let previous: JsonObject | null = null;
  for (const [index, { campaign, at }] of sends.entries()) {
    const profile = history.at(at);
    records.push({
      message_id: `msg-${campaign.campaign_id}-${(index + 4096).toString(16)}`,
      sent_at: iso(at),
      variant: campaign.channel === 'EMAIL' ? pick(['A', 'B'], random()) : null,
      campaign: {
        campaign_id: campaign.campaign_id,
        name: campaign.name,
        channel: campaign.channel,
        subject: campaign.subject,
      },
      ...entries(campaign, at, { random, refAt: history.refAt, prefix: `e-${index}` }),
      profile: history.refAt(at),
      changed_since_previous: previous === null ? null : mergePatchBetween(previous, profile),
    });
    previous = profile;
  }
  return documentOf(records, history.versions);
}

interface EntrySource {
  readonly random: () => number;
  readonly refAt: (time: number) => ProfileRef;
  readonly prefix: string;
}

function entries(
  { campaign_id, channel }: MadeCampaign,
  at: number,
  { random, refAt, prefix }: EntrySource,
): Pick<ReportRecord, 'delivery' | 'feedback'> {
  const delivery: DeliveryEntry[] = [];
  const feedback: FeedbackEntry[] = [];
  const deliver = (type: string, time: number, reason: string | null = null): void => {
    delivery.push({
      event_id: `${prefix}-d${delivery.length}`,
      type,
      occurred_at: iso(time),
      reason,
      provider: 'postbox',
      profile: refAt(time),
    });
  };
  const react = (type: string, time: number, rest: Partial<FeedbackEntry> = {}): void => {
    feedback.push({
      event_id: `${prefix}-f${feedback.length}`,
      type,
      occurred_at: iso(time),
      link: null,
      is_machine: false,
      value: null,
      user_agent: null,
      ...rest,
      profile: refAt(time),
    });
  };
  deliver('SENT', at);
  if (random() < 0.04) {
    deliver('BOUNCED', at + 4 * MINUTE * random(), '452 4.2.2 mailbox full');
    return { delivery, feedback };
  }
  deliver('DELIVERED', at + Math.ceil(MINUTE * random()));
  if (channel === 'EMAIL' && random() < 0.3)
    react('OPENED', at + 2 * MINUTE * random(), { is_machine: true, user_agent: 'GoogleImageProxy' });
  if (channel !== 'SMS' && random() < 0.45) {
    const opened = at + 30 * HOUR * random() ** 3 + MINUTE;
    react('OPENED', opened, { user_agent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X)' });
    if (random() < 0.4) {
      const clicked = opened + 90_000 * random();
      react('CLICKED', clicked, {
        link: `https://www.aurora-shop.example/${campaign_id}/details?from=mail&position=2`,
        user_agent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X)',
      });
      if (random() < 0.3) react('CONVERTED', clicked + 5 * DAY * random(), { value: 49.9 });
    }
    if (random() < 0.02) react('UNSUBSCRIBED', opened + 2 * MINUTE);
  }
  return { delivery, feedback };
}

function historyOf(span: number, extraVersions: number) {
  const points = Array.from(
    { length: extraVersions },
    (_, index) => [(index + 0.5) / extraVersions, `{"loyalty":{"points":${3000 + index}}}`] as const,
  );
  const changes = [...CHANGES, ...points].sort(([a], [b]) => a - b);
  const starts = changes.map(([share]) => Math.floor(BEGIN + span * share));
  let attributes: JsonObject = {};
  const versions = changes.map(([, patch], index): ReportedVersion => {
    attributes = applyMergePatch(attributes, parseJson(patch) as JsonObject);
    const end = starts[index + 1];
    return {
      version: index + 1,
      valid_from: iso(starts[index] ?? 0),
      valid_to: end === undefined ? null : iso(end),
      attributes,
    };
  });
  const versionAt = (time: number): ReportedVersion =>
    versions[starts.findLastIndex((start) => start <= time)] as ReportedVersion;
  return {
    versions,
    at: (time: number) => versionAt(time).attributes,
    refAt: (time: number) => refOf(versionAt(time)),
  };
}

export interface MadeMessage {
  /** When its first event was. */
  readonly at: number;
  readonly delivery?: readonly string[];
  /** Of people, the times. */
  readonly opened?: readonly string[];
}

/** A message of one campaign to somebody without a profile. */
export function messageOf({ at, delivery = ['SENT'], opened = [] }: MadeMessage): ReportRecord {
  const profile = { status: 'none_yet', version: null, valid_from: null } as const;
  return {
    message_id: `msg-${at}`,
    sent_at: iso(at),
    variant: null,
    campaign: { campaign_id: 'daily', name: 'Daily', channel: 'EMAIL', subject: null },
    delivery: delivery.map((type, index) => ({
      event_id: `${type}-${at}`,
      type,
      occurred_at: iso(at + index),
      reason: null,
      provider: 'postbox',
      profile,
    })),
    feedback: opened.map((occurred_at) => ({
      event_id: `OPENED-${occurred_at}`,
      type: 'OPENED',
      occurred_at,
      link: null,
      is_machine: false,
      value: null,
      user_agent: null,
      profile,
    })),
    profile,
    changed_since_previous: null,
  };
}

export function refOf({ version, valid_from }: ReportedVersion): ProfileRef {
  return { status: 'found', version, valid_from };
}

/** With the last version as today's. */
export function documentOf(
  records: readonly ReportRecord[],
  versions: readonly ReportedVersion[],
): WholeDocument {
  const last = versions.at(-1);
  return {
    header: {
      format: 1,
      program: 'campaign-ledger/0.1.0',
      tenant_id: 'aurora-shop',
      user_id: 'u-000007',
      from: '2026-05-01T00:00:00.000Z',
      to: null,
      by: 'send',
      known_at: '2026-10-20T12:00:00.000Z',
      known_at_clock: 'broker',
      generated_at: '2026-11-02T08:15:09.402Z',
      digest: `sha256:${'3f9a1c07'.repeat(8)}`,
      header_digest: `sha256:${'07c1a9f3'.repeat(8)}`,
      counts: {
        records: records.length,
        events: records.reduce((sum, { delivery, feedback }) => sum + delivery.length + feedback.length, 0),
        profile_versions: versions.length,
      },
      pin: [
        { topic: 'campaign.delivery', topic_id: 'vT3kQyJ4S1mE0w2hUu7l1A', partition: 0, next: 182_340 },
        { topic: 'campaign.feedback', topic_id: 'c8Xo0p3ZQe6cR4n5yK9tBw', partition: 0, next: 90_112 },
        { topic: 'profile.changes', topic_id: 'kk2sWm0pTn2uVb7cXq1zLg', partition: 0, next: 4120 },
      ],
      sources: {
        clickhouse: { database: 'ledger', events: 604, profile_changes: 6, campaigns: 12 },
        cold: {
          through: '2026-07-31',
          months: 3,
          files: ['tracking/events/2026-05/00-4f1c.parquet', 'tracking/events/2026-06/00-9b02.parquet'],
          events: 210,
          profile_changes: 0,
          requests: 9,
          bytes: 402_133,
        },
        raw: { segments: [], records: 0, events: 0, profile_changes: 0, campaigns: 0 },
        local_only: false,
      },
    },
    versions,
    today:
      last === undefined
        ? { status: 'none_yet', version: null, valid_from: null, attributes: null }
        : { ...refOf(last), attributes: last.attributes },
    records: () => records,
    [Symbol.dispose]: () => {},
  };
}

/** The same with entries that are there only while they are read. `onEntry` is told of each, `onRead` when a list is begun. */
export function streamed(
  document: WholeDocument,
  { onRead = () => {}, onEntry = () => {} }: { onRead?: () => void; onEntry?: () => void } = {},
): ReportDocument {
  const once = <Entry>(entries: readonly Entry[]): Iterable<Entry> => ({
    *[Symbol.iterator]() {
      onRead();
      for (const entry of entries) {
        onEntry();
        yield entry;
      }
    },
  });
  return {
    ...document,
    *records() {
      for (const record of document.records())
        yield { ...record, delivery: once(record.delivery), feedback: once(record.feedback) };
    },
    [Symbol.dispose]: () => {},
  };
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

function pick<T>(of: readonly T[], share: number): T {
  return of[Math.floor(share * of.length)] as T;
}

/** Park and Miller's: the same report every time. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
