/** What a restore is asked for and given, whichever way it goes; and what it says of itself in the end. */
import type { Config } from '../../config/schema.ts';
import { DamagedArchive } from '../archive/find-batches.ts';
import type { ArchivePlace } from '../archive/listing.ts';
import { type Priority, startRehydration } from '../archive/tiers/rehydrate.ts';
import { rehydrationText } from '../archive/tiers/tiers-text.ts';
import type { Discrepancy } from '../archive/verify.ts';
import type { ContainerClient } from '../common/blob/container.ts';
import { REHYDRATION_TAKES } from '../common/blob/offline.ts';
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/logger.ts';
import { retryOutage } from '../common/retry.ts';
import type { Choice } from './choice.ts';
import { offlineIn, planTopic, type TopicPlan } from './plan.ts';

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

/** Nothing was restored: some of what is asked for has to be brought back first. */
export class OfflineSegments extends Error {
  override readonly name = 'OfflineSegments';
}

/** Of them are said at once. */
const MOST_SAID = 10;

/**
 * @throws {DamagedArchive} unless what is damaged is to be skipped
 * @throws {OfflineSegments}
 */
export async function planned(context: RestoreContext, topic: string, choice: Choice): Promise<TopicPlan> {
  const { place, config, logger, signal, skipDamaged, say } = context;
  const what = `listing ${topic}`;
  const plan = await retryOutage(() => planTopic(place, topic, choice), {
    retry: config.retry,
    logger,
    signal,
    what,
  });
  await assertOnline(context, plan);
  const { discrepancies } = plan;
  if (discrepancies.length === 0) return plan;
  const lines = discrepancies.slice(0, MOST_SAID).map(sentence);
  const more = discrepancies.length - lines.length;
  if (more > 0) lines.push(`and ${more} more: \`campaign-ledger archive verify ${topic}\` names them all`);
  if (!skipDamaged)
    throw new DamagedArchive(
      [
        `the archive of ${topic} is not whole, and nothing of it was restored:`,
        ...lines.map((line) => `  ${line}`),
        'To restore what there is of it all the same: --skip-damaged',
      ].join('\n'),
    );
  for (const line of lines) say(`skipped: ${line}`);
  return plan;
}

/** All at once, and before anything is restored: each takes hours. */
async function assertOnline(
  { place, rehydrate, clock, say }: RestoreContext,
  plan: TopicPlan,
): Promise<void> {
  const offline = offlineIn(plan);
  if (offline.length === 0) return;
  const about = `of ${plan.segments} segments of ${plan.topic} ${offline.length} are in the archive tier, the first is ${offline[0]}`;
  if (rehydrate === null)
    throw new OfflineSegments(
      `${about}; nothing of it was restored. --rehydrate has them brought back, which takes ${REHYDRATION_TAKES}`,
    );
  const rehydration = await startRehydration(place, offline, { priority: rehydrate, tier: 'Hot' });
  for (const line of rehydrationText(rehydration, { priority: rehydrate, now: clock.now() })
    .trim()
    .split('\n'))
    say(line);
  throw new OfflineSegments(`${about}; nothing of it was restored: run this again when they are there`);
}

function sentence({ code, topic, partition, path, message }: Discrepancy): string {
  const where = path ?? (partition === null ? topic : `${topic}/${partition}`);
  return `${where}: ${message} (${code})`;
}
