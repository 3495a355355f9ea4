/** Rows in the cold tier that no archived record was met for. */
import { HeadStore } from '../archive/head.ts';
import type { OffsetRanges } from '../archive/offset-ranges.ts';
import type { OffsetRange, PartitionRef } from '../common/batch.ts';
import { PartitionStopped } from '../common/errors.ts';
import { isIn } from './read-stretch.ts';
import { intersection } from './scope.ts';
import type { VerifyContext } from './verify-context.ts';

export interface KnownOffsets {
  /** Of which all is known. */
  readonly sound: OffsetRanges;
  /** Null for none. */
  readonly asked: OffsetRange | null;
}

/** @throws {Outage} */
export async function reportColdRowsLeft(
  context: Pick<VerifyContext, 'cold' | 'findings' | 'container' | 'prefix' | 'retry'>,
  source: PartitionRef,
  { sound, asked }: KnownOffsets,
): Promise<void> {
  let end: number | null = null;
  for (const offset of context.cold.unmet(source)) {
    if (!isIn(sound, offset)) {
      // Read now, after all rows: what is in the cold tier was archived before.
      end ??= await archivedTo(context, source);
      const isAsked = asked !== null && intersection(asked, { first: offset, last: offset }) !== null;
      if (offset < end || !isAsked) continue;
    }
    context.findings.record({ code: 'cold_row_unarchived', source, offset });
  }
}

/** The offset that the archive needs next; without bound where its head does not tell, which is said elsewhere. */
async function archivedTo(
  { container, prefix, retry }: Pick<VerifyContext, 'container' | 'prefix' | 'retry'>,
  source: PartitionRef,
): Promise<number> {
  const heads = new HeadStore(container, prefix);
  try {
    return (await retry(() => heads.read(source))).head?.next ?? Number.POSITIVE_INFINITY;
  } catch (error) {
    if (error instanceof PartitionStopped) return Number.POSITIVE_INFINITY;
    throw error;
  }
}
