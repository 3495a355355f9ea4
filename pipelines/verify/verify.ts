/** Kafka, the archive, ClickHouse and the dead letters held against one another. */
import { type TopicRole, topicNames } from '../../config/topics.ts';
import type { Clock } from '../common/clock.ts';
import { Findings } from './findings.ts';
import { checkMessageEvents } from './message-events-check.ts';
import { isWhole, type Scope } from './scope.ts';
import type { DerivedCheck, KnownGap, Verdict, VerifiedPartition } from './verdict.ts';
import { type VerifyContext, verifyTopic } from './verify-topic.ts';
import { checkVersions } from './versions-check.ts';

export interface VerifyQuestion {
  /** In the order of the report. */
  readonly roles: readonly TopicRole[];
  readonly scope: Scope;
  /** Reads every record; else names, metadata and counts. */
  readonly isDeep: boolean;
}

/**
 * May run while everything is written: what was begun after the check began is held against nobody.
 * @throws {Outage} a service cannot be asked
 */
export async function verify(
  context: Omit<VerifyContext, 'findings'> & { readonly clock: Clock },
  { roles, scope, isDeep }: VerifyQuestion,
): Promise<Verdict> {
  const findings = new Findings();
  const own = { ...context, findings };
  const startedAt = context.clock.now();
  const partitions: VerifiedPartition[] = [];
  const gaps: KnownGap[] = [];
  for (const role of roles) {
    const topic = await verifyTopic(own, role, { scope, isDeep });
    partitions.push(...topic.partitions);
    gaps.push(...topic.gaps);
  }
  const derived = isDeep ? await checkDerived(own, partitions, { roles, scope }) : [];
  return {
    isDeep,
    startedAt: new Date(startedAt).toISOString(),
    finishedAt: new Date(context.clock.now()).toISOString(),
    partitions,
    derived,
    gaps,
    discrepancies: findings.discrepancies,
    counts: findings.counts,
  };
}

/** What is computed of rows concerns whole tables: a part of the offsets says nothing of it. */
async function checkDerived(
  context: VerifyContext,
  partitions: readonly VerifiedPartition[],
  { roles, scope }: Pick<VerifyQuestion, 'roles' | 'scope'>,
): Promise<DerivedCheck[]> {
  const of = (some: readonly TopicRole[]) => {
    const topics = new Set(some.map((role) => topicNames(context.config)[role]));
    return partitions.filter(({ source }) => topics.has(source.topic));
  };
  const isAsked = (...some: readonly TopicRole[]) =>
    isWhole(scope) && some.every((role) => roles.includes(role));
  return [
    {
      name: 'message_events',
      checked: isAsked('delivery', 'feedback')
        ? await checkMessageEvents(context, of(['delivery', 'feedback']))
        : null,
    },
    {
      name: 'profile_versions',
      checked: isAsked('profiles') ? await checkVersions(context, of(['profiles'])) : null,
    },
  ];
}
