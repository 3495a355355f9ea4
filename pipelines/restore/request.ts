/** What a restore is asked for and given, whichever way it goes; and what it says of itself in the end. */
import type { Config } from '../../config/schema.ts';
import { DamagedArchive } from '../archive/find-batches.ts';
import type { ArchivePlace } from '../archive/listing.ts';
import { type Priority, REHYDRATION, startRehydration } from '../archive/tiers/rehydrate.ts';
import { rehydrationText } from '../archive/tiers/tiers-text.ts';
import type { Discrepancy } from '../archive/verify.ts';
import type { ContainerClient } from '../common/blob/container.ts';
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/logger.ts';
import { retryOutage } from '../common/retry.ts';
import type { Choice } from './choice.ts';
import { planTopic, segmentsRead, type TopicPlan } from './plan.ts';
import { OfflineSegments } from './read-batch.ts';

export interface RestoreContext {
  readonly config: Config;
  /** For reading alone: of the many requests of a listing each is tried several times. */
  readonly place: ArchivePlace;
  /** For the lock of retention and the manifest, where a second try would not know of the first. */
  readonly container: ContainerClient;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Ends the waiting for what is away. */
  readonly signal: AbortSignal;
  /** Goes on behind what cannot be read. */
  readonly skipDamaged: boolean;
  /** How soon segments in the archive tier are to be brought back; null: they are not. */
  readonly rehydrate: Priority | null;
  /** Lines for people. */
  readonly say: (line: string) => void;
  /** Before each topic. */
  readonly onTopic: (plan: TopicPlan) => { update(records: number): void; finish(): void };
}

/** Of each topic are said at once. */
const MOST_SAID = 10;

export interface PlanRequest {
  readonly topics: readonly string[];
  readonly choice: Choice;
  /** Whether rows are made of the records. */
  readonly decodes: boolean;
}

/**
 * Of all topics before anything of one is restored: what has to be brought back first takes hours, and is asked for at once.
 * @returns a plan for each topic, in their order
 * @throws {DamagedArchive} unless what is damaged is to be skipped
 * @throws {OfflineSegments}
 */
export async function planned(
  context: RestoreContext,
  { topics, choice, decodes }: PlanRequest,
): Promise<TopicPlan[]> {
  const { place, config, logger, signal } = context;
  const plans: TopicPlan[] = [];
  for (const topic of topics) {
    const what = `listing ${topic}`;
    plans.push(
      await retryOutage(() => planTopic(place, topic, choice), { retry: config.retry, logger, signal, what }),
    );
  }
  await assertOnline(context, plans, decodes);
  assertWhole(context, plans);
  return plans;
}

function assertWhole({ skipDamaged, say }: RestoreContext, plans: readonly TopicPlan[]): void {
  const damaged = plans.filter(({ discrepancies }) => discrepancies.length > 0);
  if (damaged.length === 0) return;
  const linesOf = ({ topic, discrepancies }: TopicPlan): string[] => {
    const lines = discrepancies.slice(0, MOST_SAID).map(sentence);
    const more = discrepancies.length - lines.length;
    if (more > 0) lines.push(`and ${more} more: \`campaign-ledger archive verify ${topic}\` names them all`);
    return lines;
  };
  if (!skipDamaged)
    throw new DamagedArchive(
      [
        `the archive of ${damaged.map(({ topic }) => topic).join(', ')} is not whole, and nothing was restored:`,
        ...damaged.flatMap(linesOf).map((line) => `  ${line}`),
        'To restore what there is all the same: --skip-damaged',
      ].join('\n'),
    );
  for (const line of damaged.flatMap(linesOf)) say(`skipped: ${line}`);
}

async function assertOnline(
  { place, rehydrate, clock, say, config, logger, signal }: RestoreContext,
  plans: readonly TopicPlan[],
  decodes: boolean,
): Promise<void> {
  const perTopic = plans.map((plan) => {
    const read = segmentsRead(plan, { decodes });
    const paths = [...read.values()].filter(({ isOffline }) => isOffline).map(({ path }) => path);
    return { topic: plan.topic, read: read.size, paths };
  });
  const concerned = perTopic.filter(({ paths }) => paths.length > 0);
  const offline = concerned.flatMap(({ paths }) => paths);
  if (offline.length === 0) return;
  const about = concerned
    .map(
      ({ topic, read, paths }) =>
        `of ${read} segments of ${topic} ${paths.length} are in the archive tier, the first is ${paths[0]}`,
    )
    .join('; ');
  if (rehydrate === null)
    throw new OfflineSegments(
      `${about}; nothing was restored. --rehydrate has them brought back, which takes ${REHYDRATION.standard.takes}; with --rehydrate high ${REHYDRATION.high.takes}`,
    );
  const rehydration = await retryOutage(
    () => startRehydration(place, offline, { priority: rehydrate, tier: 'Hot' }),
    { retry: config.retry, logger, signal, what: 'having segments brought back' },
  );
  for (const line of rehydrationText(rehydration, { priority: rehydrate, now: clock.now() })
    .trim()
    .split('\n'))
    say(line);
  throw new OfflineSegments(`${about}; nothing was restored: run this again when they are there`);
}

function sentence({ code, topic, partition, path, message }: Discrepancy): string {
  const where = path ?? (partition === null ? topic : `${topic}/${partition}`);
  return `${where}: ${message} (${code})`;
}
