/** What a restore is asked for and given, whichever way it goes; and what it says of itself in the end. */
import type { Config } from '../../config/schema.ts';
import type { ArchivePlace } from '../archive/listing.ts';
import type { Discrepancy } from '../archive/verify.ts';
import type { ContainerClient } from '../common/blob/container.ts';
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/logger.ts';
import { retryOutage } from '../common/retry.ts';
import type { Choice } from './choice.ts';
import { planTopic, type TopicPlan } from './plan.ts';

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
  /** Lines for people. */
  readonly say: (line: string) => void;
  /** Before each topic. */
  readonly onTopic: (plan: TopicPlan) => { update(records: number): void; finish(): void };
}

/** Some of what is asked for is not in the archive as it was written. Nothing was restored of the topic. */
export class DamagedArchive extends Error {
  override readonly name = 'DamagedArchive';
}

/** Of them are said at once. */
const MOST_SAID = 10;

/** @throws {DamagedArchive} unless what is damaged is to be skipped */
export async function planned(
  { place, config, logger, signal, skipDamaged, say }: RestoreContext,
  topic: string,
  choice: Choice,
): Promise<TopicPlan> {
  const what = `listing ${topic}`;
  const plan = await retryOutage(() => planTopic(place, topic, choice), {
    retry: config.retry,
    logger,
    signal,
    what,
  });
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

function sentence({ code, topic, partition, path, message }: Discrepancy): string {
  const where = path ?? (partition === null ? topic : `${topic}/${partition}`);
  return `${where}: ${message} (${code})`;
}
