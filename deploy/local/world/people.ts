/** The users of the world: who they are at first, and how their profiles change. */
import { DAY, MINUTE, SECOND } from './catalogue.ts';
import type { Random } from './random.ts';
import type { ProfileValue } from './world-record.ts';

export interface Person {
  readonly tenantId: string;
  readonly userId: string;
  /** How readily they react, about 1. */
  readonly eagerness: number;
  sourceVersion: number;
  hasUnsubscribed: boolean;
}

/** A change and when it reaches Kafka, milliseconds of the world's time. */
export interface TimedChange {
  readonly value: ProfileValue;
  readonly sentAt: number;
}

const givenNames = [
  'Ana',
  'Björn',
  'Chloé',
  'Dmitri',
  'Elif',
  'Farah',
  'Giulia',
  'Hiro',
  'Ivana',
  'Jamal',
  'Kerstin',
  'Liam',
  'Mónica',
  'Noa',
  'Olu',
  'Priya',
  'Quentin',
  'Rosa',
  'Søren',
  'Tomáš',
  'Ute',
  'Valeria',
  'Wei',
  'Xenia',
  'Yusuf',
  'Zoë',
  'ليلى',
  'さくら',
] as const;
const cities = [
  'Oslo',
  'Lisboa',
  'Kraków',
  'Lyon',
  'Gent',
  'Zürich',
  'Brno',
  'Tampere',
  'Cork',
  'Bari',
] as const;
const plans = ['free', 'basic', 'plus', 'premium'] as const;
const interests = ['outdoor', 'kitchen', 'music', 'garden', 'travel', 'gaming', 'books'] as const;

export function makePerson(random: Random, tenantId: string, index: number): Person {
  return {
    tenantId,
    userId: `u-${String(index).padStart(6, '0')}`,
    eagerness: Math.min(3, Math.exp(0.6 * (random.fraction() + random.fraction() - 1))),
    sourceVersion: 0,
    hasUnsubscribed: false,
  };
}

/** Most changes arrive within seconds; one in twenty comes days late, some of them behind newer ones. */
function arrival(random: Random, changedAt: number): number {
  return changedAt + (random.chance(0.05) ? random.delay(3 * DAY, 1.2) : random.delay(4 * SECOND, 0.8));
}

export function makeChange(
  random: Random,
  person: Person,
  change: { readonly op: ProfileValue['op']; readonly changedAt: number; readonly attributes: object | null },
): TimedChange {
  person.sourceVersion += 1;
  const value: ProfileValue = {
    change_id: `chg-${random.hex(16)}`,
    tenant_id: person.tenantId,
    user_id: person.userId,
    op: change.op,
    changed_at: change.changedAt,
    source_version: random.chance(0.9) ? person.sourceVersion : null,
    attributes: change.attributes === null ? null : JSON.stringify(change.attributes),
  };
  return { value, sentAt: arrival(random, change.changedAt) };
}

function wholeProfile(random: Random): object {
  return {
    name: random.pick(givenNames),
    city: random.pick(cities),
    plan: random.chance(0.6) ? 'free' : random.pick(plans),
    consent: { email: true, sms: random.chance(0.4), push: random.chance(0.5) },
    interests: [random.pick(interests), random.pick(interests)],
    loyalty: { tier: 'bronze', points: random.between(0, 400) },
    nickname: random.chance(0.1) ? '🦊' : null,
  };
}

function smallChange(random: Random): object {
  switch (random.between(0, 5)) {
    case 0:
      return { city: random.pick(cities) };
    case 1:
      return { plan: random.pick(plans) };
    case 2:
      return {
        loyalty: { tier: random.pick(['silver', 'gold'] as const), points: random.between(400, 4000) },
      };
    case 3:
      return { consent: { sms: random.chance(0.5), push: null } };
    case 4:
      return { nickname: null, interests: [random.pick(interests)] };
    default:
      return { last_order: { id: `o-${random.hex(8)}`, total: random.between(500, 20_000) / 100 } };
  }
}

/** A person's own changes in the time from `begin` to `end`, ordered by arrival; reactions to campaigns come on top. */
export function lifeOf(
  random: Random,
  person: Person,
  { begin, end }: { begin: number; end: number },
): TimedChange[] {
  const span = end - begin;
  const known = random.chance(0.9)
    ? begin - random.between(1, 300) * DAY
    : begin + Math.floor(random.fraction() * span * 0.7);
  const changes = [
    makeChange(random, person, { op: 'SNAPSHOT', changedAt: known, attributes: wholeProfile(random) }),
  ];
  let at = Math.max(known, begin);
  for (let i = random.between(0, 3); i > 0; i--) {
    at += Math.max(1, Math.floor(random.fraction() * span * 0.4));
    if (at >= end) break;
    if (random.chance(0.04)) {
      changes.push(
        makeChange(random, person, { op: 'SNAPSHOT', changedAt: at, attributes: wholeProfile(random) }),
      );
    } else {
      changes.push(
        makeChange(random, person, { op: 'PATCH', changedAt: at, attributes: smallChange(random) }),
      );
      if (random.chance(0.05)) {
        changes.push(
          makeChange(random, person, { op: 'PATCH', changedAt: at, attributes: smallChange(random) }),
        );
      }
    }
  }
  if (random.chance(0.012) && at < end) {
    at += Math.floor(random.fraction() * (end - at));
    changes.push(makeChange(random, person, { op: 'DELETE', changedAt: at, attributes: null }));
    if (random.chance(0.3) && at + 10 * MINUTE < end) {
      changes.push(
        makeChange(random, person, {
          op: 'PATCH',
          changedAt: at + 10 * MINUTE,
          attributes: { plan: 'free', returned: true },
        }),
      );
    }
  }
  return changes.sort((a, b) => a.sentAt - b.sentAt);
}
