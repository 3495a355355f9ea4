/** The world in motion: everything that its tenants, campaigns and users produce, in the order in which it reaches Kafka. */
import TinyQueue from 'tinyqueue';
import { campaigns, DAY, HOUR, MINUTE, tenants, type WorldCampaign } from './catalogue.ts';
import { journeyOf, type TimedValue } from './journeys.ts';
import { lifeOf, makePerson, type Person, type TimedChange } from './people.ts';
import { Random } from './random.ts';
import type { WorldRecord } from './world-record.ts';

export interface WorldOptions {
  /** A whole number; the same seed makes the same world. */
  readonly seed: number;
  /** About so many delivery and feedback events; users grow in proportion, 5,000 for 150,000 events. */
  readonly events: number;
  /** The end of the world's sixty days, milliseconds since the epoch, a UTC midnight. */
  readonly until: number;
}

const DAYS = 60;
const EVENTS_PER_USER = 30;
/** One event in eighty goes out twice, as producers that retry do. */
const COPY_SHARE = 1 / 80;

/** Something that will reach Kafka, or that will make further such things when its time comes. */
interface Pending {
  readonly at: number;
  /** Decides between equal times, so that the order is the same on every machine. */
  readonly rank: number;
  readonly happen: () => WorldRecord | null;
}

function definitionAt(campaign: WorldCampaign, begin: number, updatedAt: number, name: string): TimedValue {
  const startsAt = begin + campaign.startDay * DAY;
  return {
    topic: 'definitions',
    sentAt: updatedAt,
    value: {
      tenant_id: campaign.tenantId,
      campaign_id: campaign.campaignId,
      name,
      channel: campaign.channel,
      subject: campaign.subject,
      starts_at: startsAt,
      ends_at: startsAt + campaign.sendDays * DAY,
      updated_at: updatedAt,
      attributes: { team: campaign.tenantId === 'aurora-shop' ? 'growth' : 'crm' },
    },
  };
}

/** Nothing that would come in after `until`. Bounded memory: a person's next change and a campaign's next send are drawn when their time comes. */
export function* simulateWorld({ seed, events, until }: WorldOptions): Generator<WorldRecord> {
  const begin = until - DAYS * DAY;
  const random = new Random(seed, 1);
  const queue = new TinyQueue<Pending>([], (a, b) => a.at - b.at || a.rank - b.rank);
  let rank = 0;
  const plan = (at: number, happen: () => WorldRecord | null): void => {
    queue.push({ at, rank: rank++, happen });
  };

  const planValue = (value: TimedValue): void => {
    plan(value.sentAt, () => {
      if (random.chance(COPY_SHARE)) {
        const sentAt = value.sentAt + random.delay(10 * MINUTE, 1.2);
        plan(sentAt, () => ({ ...value, sentAt, isCopy: true }));
      }
      return { ...value, isCopy: false };
    });
  };

  const planLife = (changes: readonly TimedChange[], index: number): void => {
    const change = changes[index];
    if (change === undefined) return;
    plan(change.sentAt, () => {
      planLife(changes, index + 1);
      return { topic: 'profiles', ...change, isCopy: false };
    });
  };

  const userCount = Math.max(tenants.length, Math.round(events / EVENTS_PER_USER));
  const people = new Map<string, Person[]>(tenants.map((tenantId) => [tenantId, []]));
  for (let index = 0; index < userCount; index++) {
    const tenantId = tenants[random.chance(0.6) ? 0 : 1];
    const person = makePerson(random, tenantId, index);
    people.get(tenantId)?.push(person);
    planLife(lifeOf(random, person, { begin, end: until }), 0);
  }

  for (const campaign of campaigns) {
    const announcedAt = begin + Math.max(0, campaign.startDay - 2) * DAY + random.between(1, 8) * HOUR;
    planValue(definitionAt(campaign, begin, announcedAt, `${campaign.name} (draft)`));
    planValue(definitionAt(campaign, begin, announcedAt + random.delay(5 * HOUR, 0.3), campaign.name));
    const audience = (people.get(campaign.tenantId) ?? []).filter(() => random.chance(campaign.audience));
    const window = campaign.sendDays * DAY;
    const opening = begin + campaign.startDay * DAY + 9 * HOUR;
    const sends = audience.length * campaign.rounds;
    const planSend = (index: number): void => {
      const person = audience[index % audience.length];
      if (person === undefined || index === sends) return;
      const queuedAt = opening + Math.floor((window * (index + random.fraction())) / sends);
      plan(queuedAt, () => {
        planSend(index + 1);
        if (!person.hasUnsubscribed) journeyOf(random, person, campaign, queuedAt).forEach(planValue);
        return null;
      });
    };
    planSend(0);
  }

  for (let next = queue.pop(); next !== undefined && next.at < until; next = queue.pop()) {
    const record = next.happen();
    if (record !== null) yield record;
  }
}
