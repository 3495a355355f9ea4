/** What becomes of one message: its delivery, and what the user, or a machine on the user's behalf, does with it. */
import { DAY, HOUR, habits, MINUTE, SECOND, type WorldCampaign } from './catalogue.ts';
import { makeChange, type Person } from './people.ts';
import type { Random } from './random.ts';
import type { DeliveryValue, FeedbackValue, WorldValue } from './world-record.ts';

export type TimedValue = WorldValue & { readonly sentAt: number };

const bounceReasons = [
  '550 5.1.1 no such mailbox',
  '552 5.2.2 mailbox full',
  '554 5.7.1 blocked by policy',
] as const;
const providers = {
  EMAIL: 'postbox',
  SMS: 'shortline',
  PUSH: 'pushwire',
  WEB: 'site',
  IN_APP: 'app',
  SOCIAL: 'feedads',
} as const;
const agents = [
  'Mozilla/5.0 (iPhone; CPU iPhone OS 19_4 like Mac OS X)',
  'Mozilla/5.0 (Linux; Android 16; Pixel 9)',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64)',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 15_6)',
] as const;
const machineAgent = 'Mozilla/5.0 (image proxy)';

/** Draws one message's story. Values come in the order of their making; each carries when it reaches Kafka. */
export function journeyOf(
  random: Random,
  person: Person,
  campaign: WorldCampaign,
  queuedAt: number,
): TimedValue[] {
  const habit = habits[campaign.channel];
  const story: TimedValue[] = [];
  const common = {
    tenant_id: person.tenantId,
    campaign_id: campaign.campaignId,
    message_id: `msg-${campaign.campaignId}-${random.hex(12)}`,
    user_id: person.userId,
    channel: campaign.channel,
    attributes: {},
  };
  const variant = campaign.sendDays <= 4 ? random.pick(['A', 'B'] as const) : null;

  const delivery = (type: string, occurredAt: number, reason: string | null = null): void => {
    const value: DeliveryValue = {
      ...common,
      event_id: `dlv-${random.hex(16)}`,
      type,
      occurred_at: occurredAt,
      variant,
      reason,
      provider: providers[campaign.channel],
    };
    story.push({ topic: 'delivery', value, sentAt: occurredAt + random.delay(800, 0.7) });
  };
  const feedback = (type: string, occurredAt: number, part: Partial<FeedbackValue> = {}): void => {
    const value: FeedbackValue = {
      ...common,
      event_id: `fbk-${random.hex(16)}`,
      type,
      occurred_at: occurredAt,
      link: null,
      user_agent: null,
      is_machine: false,
      value: null,
      ...part,
    };
    // One in fifty was made offline and comes in hours later.
    story.push({
      topic: 'feedback',
      value,
      sentAt: occurredAt + (random.chance(0.02) ? random.delay(5 * HOUR, 1) : random.delay(3 * SECOND, 1)),
    });
  };

  delivery('QUEUED', queuedAt);
  if (random.chance(habit.dropped)) {
    delivery('DROPPED', queuedAt + random.delay(900, 0.5), 'on the suppression list');
    return story;
  }
  const sentAt = queuedAt + random.delay(20 * SECOND, 0.8);
  delivery('SENT', sentAt);
  let deliveredAt = sentAt + random.delay(2500, 0.8);
  if (random.chance(habit.deferred)) {
    delivery('DEFERRED', deliveredAt, '451 4.7.1 try again later');
    deliveredAt += random.delay(25 * MINUTE, 0.7);
  }
  if (random.chance(habit.bounced)) {
    delivery('BOUNCED', deliveredAt, random.pick(bounceReasons));
    return story;
  }
  if (habit.reportsDelivery) delivery('DELIVERED', deliveredAt);

  if (random.chance(habit.machineOpened)) {
    feedback('OPENED', deliveredAt + random.delay(15 * SECOND, 1), {
      is_machine: true,
      user_agent: machineAgent,
    });
  }
  if (random.chance(habit.complained)) feedback('COMPLAINED', deliveredAt + random.delay(DAY, 0.5));
  if (random.chance(habit.unsubscribed) && !person.hasUnsubscribed) {
    person.hasUnsubscribed = true;
    const at = deliveredAt + random.delay(6 * HOUR, 0.8);
    feedback('UNSUBSCRIBED', at);
    const change = makeChange(random, person, {
      op: 'PATCH',
      changedAt: at + 40,
      attributes: { consent: { [campaign.channel.toLowerCase()]: false } },
    });
    story.push({ topic: 'profiles', ...change });
  }
  if (!random.chance(habit.opened * person.eagerness)) {
    if (random.chance(0.05)) feedback('DELETED', deliveredAt + random.delay(DAY, 1));
    return story;
  }

  const agent = random.pick(agents);
  const openedAt = deliveredAt + random.delay(habit.openDelay, 1.3);
  feedback('OPENED', openedAt, { user_agent: agent });
  for (let again = openedAt; random.chance(0.2); ) {
    again += random.delay(9 * HOUR, 1.1);
    feedback('OPENED', again, { user_agent: agent });
  }
  if (random.chance(0.004)) feedback('FORWARDED', openedAt + random.delay(5 * MINUTE, 1));
  if (random.chance(0.006)) feedback('REPLIED', openedAt + random.delay(30 * MINUTE, 1));
  if (!random.chance(Math.min(0.9, habit.clickedOfOpened * person.eagerness))) return story;

  const clickedAt = openedAt + random.delay(50 * SECOND, 1);
  feedback('CLICKED', clickedAt, {
    user_agent: agent,
    link: random.pick([campaign.links[0], ...campaign.links]),
  });
  if (random.chance(0.25)) {
    feedback('CLICKED', clickedAt + random.delay(40 * SECOND, 1), {
      user_agent: agent,
      link: random.pick(campaign.links),
    });
  }
  if (random.chance(0.12)) {
    const convertedAt = clickedAt + random.delay(12 * MINUTE, 1);
    feedback('CONVERTED', convertedAt, { value: random.between(500, 30_000) / 100 });
    // Whoever buys becomes someone else: a campaign's results by plan differ between the time of the click and today.
    const change = makeChange(random, person, {
      op: 'PATCH',
      changedAt: convertedAt + random.delay(2 * SECOND, 0.5),
      attributes: { plan: random.pick(['plus', 'premium'] as const), loyalty: { tier: 'gold' } },
    });
    story.push({ topic: 'profiles', ...change });
  }
  return story;
}
