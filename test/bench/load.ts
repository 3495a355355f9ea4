/** The load of the benchmark. Every record has an identity of its own, and a seed always gives the same load. */
import { Random } from '../../deploy/local/world/random.ts';
import type { FeedbackValue, ProfileValue, WorldValue } from '../../deploy/local/world/world-record.ts';

export interface LoadOptions {
  readonly records: number;
  readonly seed: number;
  /** Where the load's time ends, milliseconds since the epoch. */
  readonly until: number;
}

const DAY_MS = 86_400_000;
const FEEDBACK_SPAN_MS = 3 * DAY_MS;
const PROFILE_SPAN_MS = 30 * DAY_MS;
const USERS = 200_000;
const CHANGES_A_USER = 5;
const LATE_MS = 5 * DAY_MS;

const types = ['OPENED', 'OPENED', 'OPENED', 'OPENED', 'OPENED', 'CLICKED', 'DELETED'] as const;
const agents = [
  'Mozilla/5.0 (iPhone; CPU iPhone OS 19_4 like Mac OS X)',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64)',
  'Mozilla/5.0 (Linux; Android 16)',
] as const;
const cities = ['Lisbon', 'Oslo', 'Graz', 'Leeds', 'Turin', 'Ghent'] as const;

const tenantOf = (user: number) => (user % 3 === 0 ? 'meridian-bank' : 'aurora-shop');

/** Feedback of three days in the order of its making, as a busy campaign brings it. */
export function* feedbackLoad({ records, seed, until }: LoadOptions): Generator<WorldValue> {
  const random = new Random(seed, 2);
  for (let index = 0; index < records; index += 1) {
    const occurredAt = until - FEEDBACK_SPAN_MS + Math.floor((FEEDBACK_SPAN_MS * index) / records);
    yield { topic: 'feedback', value: feedback(random, occurredAt) };
  }
}

/** Changes of thirty days, five a user in the mean: snapshots and patches, some of them late. */
export function* profileLoad({ records, seed, until }: LoadOptions): Generator<WorldValue> {
  const random = new Random(seed, 3);
  const users = Math.max(1, Math.floor(records / CHANGES_A_USER));
  for (let index = 0; index < records; index += 1) {
    const inOrder = until - PROFILE_SPAN_MS + Math.floor((PROFILE_SPAN_MS * index) / records);
    const changedAt = random.chance(0.05) ? inOrder - random.between(1, LATE_MS) : inOrder;
    yield {
      topic: 'profiles',
      value: profileChange(random, { user: random.between(0, users - 1), changedAt }),
    };
  }
}

function feedback(random: Random, occurredAt: number): FeedbackValue {
  const type = random.pick(types);
  return {
    ...messageFields(random),
    type,
    occurred_at: occurredAt,
    link: type === 'CLICKED' ? 'https://www.aurora-shop.example/summer-sale/details' : null,
    user_agent: random.pick(agents),
    is_machine: random.chance(0.2),
    value: null,
    attributes: {},
  };
}

/** What an event says of its message, and an identity of its own. */
export function messageFields(
  random: Random,
): Pick<FeedbackValue, 'event_id' | 'tenant_id' | 'campaign_id' | 'message_id' | 'user_id' | 'channel'> {
  const user = random.between(0, USERS - 1);
  const campaign = random.between(1, 12);
  return {
    event_id: random.hex(16),
    tenant_id: tenantOf(user),
    campaign_id: `campaign-${campaign}`,
    message_id: `m-${campaign}-${user}-${random.between(0, 3)}`,
    user_id: `u-${user}`,
    channel: 'EMAIL',
  };
}

function profileChange(
  random: Random,
  { user, changedAt }: { user: number; changedAt: number },
): ProfileValue {
  const isSnapshot = random.chance(0.3);
  const attributes = isSnapshot
    ? {
        name: `User ${user}`,
        email: `user-${user}@example.org`,
        address: { city: random.pick(cities), zip: String(random.between(1_000, 9_999)) },
        consent: { email: random.chance(0.8), sms: random.chance(0.3) },
        points: random.between(0, 5_000),
      }
    : { address: { city: random.pick(cities) }, points: random.between(0, 5_000) };
  return {
    change_id: random.hex(16),
    tenant_id: tenantOf(user),
    user_id: `u-${user}`,
    op: isSnapshot ? 'SNAPSHOT' : 'PATCH',
    changed_at: changedAt,
    source_version: null,
    attributes: JSON.stringify(attributes),
  };
}
