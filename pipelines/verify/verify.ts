/** Kafka, the archive, ClickHouse and the dead letters held against one another. */

import { type TopicRole, topicNames } from '../../config/topics.ts';
import { readLetGo } from '../cold/let-go.ts';
import { partitionKey } from '../common/batch.ts';
import { COLD_NAMES, ColdTier } from './cold-tier.ts';
import { explain, Findings } from './findings.ts';
import { LEDGER_TABLES, type LedgerTable } from './ledger-table.ts';
import { checkMessageEvents } from './message-events-check.ts';
import { isWhole, type Scope } from './scope.ts';
import type { DerivedCheck, KnownGap, Verdict, VerifiedPartition } from './verdict.ts';
import type { VerifyContext } from './verify-context.ts';
import { verifyTopic } from './verify-topic.ts';
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
  context: Omit<VerifyContext, 'findings' | 'cold'>,
  { roles, scope, isDeep }: VerifyQuestion,
): Promise<Verdict> {
  const findings = new Findings();
  const startedAt = context.clock.now();
  const { client, config } = context;
  const cold = await ColdTier.open({
    ...context,
    findings,
    readLetGo: () => readLetGo(client, config.clickhouse.database),
  });
  const own = { ...context, findings, cold };
  try {
    return await run(own, { startedAt, roles, scope, isDeep });
  } finally {
    cold.close();
  }
}

async function run(
  own: VerifyContext,
  { startedAt, roles, scope, isDeep }: VerifyQuestion & { readonly startedAt: number },
): Promise<Verdict> {
  const { findings, cold, clock } = own;
  // Also where every byte is read: only so it is seen that a file has become longer.
  await cold.checkPresence();
  const partitions: VerifiedPartition[] = [];
  const gaps: KnownGap[] = [];
  for (const role of roles) {
    const topic = await verifyTopic(own, role, { scope, isDeep });
    partitions.push(...topic.partitions);
    gaps.push(...topic.gaps);
  }
  if (isDeep && isWhole(scope)) reportStrangers(own, { roles, partitions });
  const derived = isDeep ? await checkDerived(own, partitions, { roles, scope }) : [];
  return {
    isDeep,
    startedAt: new Date(startedAt).toISOString(),
    finishedAt: new Date(clock.now()).toISOString(),
    partitions,
    cold: cold.verdict(),
    derived,
    gaps,
    discrepancies: findings.discrepancies,
    counts: findings.counts,
  };
}

/** Rows in the cold tier of partitions that neither Kafka nor the archive has ever heard of. */
function reportStrangers(
  { cold, findings }: VerifyContext,
  { roles, partitions }: { roles: readonly TopicRole[]; partitions: readonly VerifiedPartition[] },
): void {
  const known = new Set(partitions.map(({ source }) => partitionKey(source)));
  const allRoles = Object.entries(LEDGER_TABLES) as [TopicRole, LedgerTable][];
  for (const name of COLD_NAMES) {
    const isAsked = allRoles.every(([role, { table }]) => table !== name || roles.includes(role));
    for (const [source, span] of isAsked ? cold.sourcesOf(name) : []) {
      if (known.has(source)) continue;
      const [topicId = null, partition] = source.split('/');
      const code = 'cold_row_unarchived';
      const message = explain(code, 'of this partition the archive has never had anything');
      const place = { topic: null, topicId, partition: Number(partition), path: null, records: null };
      findings.add({ code, ...place, ...span, message });
    }
  }
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
