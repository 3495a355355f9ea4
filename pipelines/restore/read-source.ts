/** Reads what is chosen of one partition, in the order of its offsets, and waits out what is away. */
import type { Config } from '../../config/schema.ts';
import type { ArchivePlace } from '../archive/listing.ts';
import type { ArchivedRecord, SegmentHeader } from '../archive/segment-reader.ts';
import type { Logger } from '../common/logger.ts';
import { retryOutage } from '../common/retry.ts';
import { type Choice, isChosenRecord } from './choice.ts';
import type { PlannedBatch, PlannedSource } from './plan.ts';
import {
  inOffsetOrder,
  type OpenSegment,
  openSegment,
  type SomeRecords,
  UnreadableSegment,
} from './read-batch.ts';

export interface ReadContext {
  readonly place: ArchivePlace;
  readonly choice: Choice;
  readonly config: Pick<Config, 'retry'>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /**
   * A segment that cannot be read is left out after this call, with what came of its batch by then.
   * Null where that ends the restore.
   */
  readonly onUnreadable: ((batch: PlannedBatch, error: UnreadableSegment) => void) | null;
  /** Records read, chosen or not. */
  readonly onRead: (records: number) => void;
}

export interface SourceHandlers {
  /** What is chosen of a segment's records; never none. */
  records(header: SegmentHeader, records: readonly ArchivedRecord[]): Promise<void>;
  /** Everything before this offset has been handed over. */
  reached(next: number): Promise<void> | void;
}

/**
 * @param from offsets before it were restored before
 * @throws {UnreadableSegment}
 */
export async function readSource(
  { batches }: PlannedSource,
  from: number,
  context: ReadContext,
  handlers: SourceHandlers,
): Promise<void> {
  const { choice, onRead } = context;
  for (const batch of batches) {
    if (batch.last < from) {
      onRead(batch.segments.reduce((sum, { count }) => sum + count, 0));
      continue;
    }
    const some = inOffsetOrder(await openAll(batch, context));
    for (;;) {
      const next = await nextOf(some, batch, context);
      if (next === null) break;
      const { header, records } = next;
      onRead(records.length);
      const chosen = records.filter((record) => record.offset >= from && isChosenRecord(choice, record));
      // What goes wrong in here is no damage of this batch.
      if (chosen.length > 0) await handlers.records(header, chosen);
    }
    await handlers.reached(batch.last + 1);
  }
}

/** @returns null at the end of the batch, or of what can be read of it */
async function nextOf(
  some: AsyncGenerator<SomeRecords>,
  batch: PlannedBatch,
  { onUnreadable }: ReadContext,
): Promise<SomeRecords | null> {
  try {
    const { done, value } = await some.next();
    return done === true ? null : value;
  } catch (error) {
    if (!(error instanceof UnreadableSegment) || onUnreadable === null) throw error;
    onUnreadable(batch, error);
    return null;
  }
}

async function openAll(batch: PlannedBatch, context: ReadContext): Promise<OpenSegment[]> {
  const { place, config, logger, signal, onUnreadable } = context;
  const open: OpenSegment[] = [];
  for (const segment of batch.segments) {
    try {
      open.push(
        await retryOutage(() => openSegment(place, segment), {
          retry: config.retry,
          logger,
          signal,
          what: `reading ${segment.path}`,
        }),
      );
    } catch (error) {
      if (!(error instanceof UnreadableSegment) || onUnreadable === null) throw error;
      onUnreadable(batch, error);
    }
  }
  return open;
}
