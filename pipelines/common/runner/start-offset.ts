/** Where reading begins: the sink's word against the group's committed offset and what Kafka still has. Pure. */
import type { OffsetRange } from '../batch.ts';
import type { SinkPosition } from '../sink.ts';

/** What a commit of ours says beside the offset, in its metadata. */
export interface CommitNote {
  /**
   * The sink's next offset at that commit; where its first batch was to begin, when it had nothing. Between it and the
   * committed offset there are transaction markers only, so a commit may be ahead of the sink and still skip nothing.
   */
  readonly stored: number;
  /** The sink had nothing. */
  readonly isBeginning: boolean;
  /** The sink's at that commit; 0 when missing. */
  readonly epoch?: number;
}

/** What the group has committed for a partition. */
export interface CommittedOffset {
  readonly offset: number;
  /** Null when somebody else committed. */
  readonly note: CommitNote | null;
}

export interface StartFacts {
  readonly sink: SinkPosition;
  readonly committed: CommittedOffset | null;
  /** The first offset that Kafka still has. */
  readonly low: number;
  /** One past the last offset that a reader of committed transactions may see. */
  readonly end: number;
}

export type StopCode = 'committed_ahead' | 'offset_out_of_range' | 'intent_mismatch';

export type StartDecision =
  | {
      readonly kind: 'start';
      /** The first offset of the first batch. */
      readonly offset: number;
      /** Where to read: later than `offset` where Kafka has dropped a stretch that held no record. */
      readonly readFrom: number;
      /** The first batch must have exactly these bounds. */
      readonly intent: OffsetRange | null;
      /** What the committed offset lacks, when it is behind the sink. */
      readonly committedBehind: OffsetRange | null;
    }
  | {
      readonly kind: 'stop';
      readonly code: StopCode;
      readonly reason: string;
      /**
       * Offsets that the sink lacks and would never get; null when there is no gap to accept. Always before the end of
       * the log: behind it stand offsets that records are still to take.
       */
      readonly missing: OffsetRange | null;
    };

/** Never skips a record that the sink lacks and Kafka ever had: it starts at the sink's next offset, or not at all. */
export function resolveStart({ sink, committed, low, end }: StartFacts): StartDecision {
  const { intent } = sink;
  if (intent !== null && sink.next !== null && intent.first !== sink.next) {
    return {
      kind: 'stop',
      code: 'intent_mismatch',
      reason: `the sink needs offset ${sink.next}, but its unfinished batch begins at ${intent.first}`,
      missing: null,
    };
  }
  const next = intent?.first ?? sink.next;
  if (next === null) return resolveFirstStart({ committed, low, end });
  if (next < low && !hasNoRecords({ from: next, to: low }, { intent, committed })) {
    return {
      kind: 'stop',
      code: 'offset_out_of_range',
      reason: `the sink needs offset ${next}, but Kafka begins at ${low}: offsets ${range(next, low)} were dropped before they were read`,
      missing: { first: next, last: low - 1 },
    };
  }
  const needed = intent === null ? next : intent.last + 1;
  if (needed > end) {
    return {
      kind: 'stop',
      code: 'offset_out_of_range',
      reason: `the sink has seen offsets up to ${needed - 1}, but Kafka ends at ${end}: the log was cut off`,
      missing: null,
    };
  }
  if (committed !== null && !isOutdated(committed, sink) && storedBy(committed) > next) {
    return committedAhead(committed.offset, { next, intent, end });
  }
  return {
    kind: 'start',
    offset: next,
    readFrom: Math.max(next, low),
    intent,
    committedBehind:
      committed !== null && committed.offset < next ? { first: committed.offset, last: next - 1 } : null,
  };
}

/**
 * The sink has nothing. Everything that Kafka has is read where the group has committed nothing, or only where it was to
 * begin. Any other commit says that there was something before it, which is read again, or its loss recorded.
 */
function resolveFirstStart({ committed, low, end }: Omit<StartFacts, 'sink'>): StartDecision {
  const start = { kind: 'start', offset: low, readFrom: low, intent: null, committedBehind: null } as const;
  if (committed === null) return start;
  const { offset, note } = committed;
  if (note !== null && !note.isBeginning && note.stored > 0) {
    // It had something once: it was lost, or comes from a backup. Where it began nobody knows: at offset 0 then.
    return low > 0
      ? droppedUnstored(offset, { from: 0, low })
      : committedAhead(offset, { next: 0, intent: null, end });
  }
  if (offset < low) return droppedUnstored(offset, { from: offset, low });
  // A commit of somebody else's is where to begin, as long as that leaves out nothing that Kafka has.
  if (note === null && offset > low) return committedAhead(offset, { next: low, intent: null, end });
  return start;
}

function droppedUnstored(committed: number, { from, low }: { from: number; low: number }): StartDecision {
  return {
    kind: 'stop',
    code: 'offset_out_of_range',
    reason: `the group has committed ${committed}, but the sink has nothing, and Kafka begins at ${low}: offsets ${range(from, low)} are in neither`,
    missing: { first: from, last: low - 1 },
  };
}

/**
 * Whether the group's own commit says that nothing but markers and aborted records stood there: of a quiet partition
 * Kafka drops these too in the end, and nobody has lost anything. @param stretch `from` inclusive, `to` exclusive
 */
function hasNoRecords(
  stretch: { readonly from: number; readonly to: number },
  { intent, committed }: Pick<StartFacts, 'committed'> & Pick<SinkPosition, 'intent'>,
): boolean {
  if (intent !== null || committed === null || committed.note === null) return false;
  return committed.note.stored <= stretch.from && committed.offset >= stretch.to;
}

/**
 * Whether the sink was moved after the commit: restored from the archive, say, to an offset that the group had long passed.
 * The commit then says nothing of what the sink has now.
 */
function isOutdated({ note }: CommittedOffset, { epoch = 0 }: SinkPosition): boolean {
  return note !== null && (note.epoch ?? 0) < epoch;
}

/** Before this offset the group claims that there were records; from it on to the committed offset there were none. */
function storedBy({ offset, note }: CommittedOffset): number {
  return Math.min(note?.stored ?? offset, offset);
}

/**
 * What was skipped ends where Kafka does: a gap up to a commit beyond it would swallow the records that are to come. And
 * it does not end inside a batch that was begun, of which the sink may hold a part.
 */
function committedAhead(
  committed: number,
  { next, intent, end }: { next: number; intent: OffsetRange | null; end: number },
): StartDecision {
  const ahead = `the group has committed ${committed}, but the sink needs offset ${next}`;
  const skipped = Math.min(committed, end);
  const stop = { kind: 'stop', code: 'committed_ahead' } as const;
  if (skipped <= next) {
    return {
      ...stop,
      reason: `${ahead}, where Kafka ends: nothing that Kafka has is missing`,
      missing: null,
    };
  }
  const reason = `${ahead}${committed > end ? `, and Kafka ends at ${end}` : ''}: offsets ${range(next, skipped)} are missing from it`;
  if (intent !== null && skipped <= intent.last) {
    return { ...stop, reason: `${reason}, and its unfinished batch needs them`, missing: null };
  }
  return { ...stop, reason, missing: { first: next, last: skipped - 1 } };
}

const range = (first: number, end: number) => (end - first === 1 ? `${first}` : `${first} to ${end - 1}`);

/** What is committed beside an offset, so that a later start can tell a marker or a beginning from a skip. */
export function commitMetadata({ stored, isBeginning, epoch = 0 }: CommitNote): string {
  return `${isBeginning ? 'begin' : 'stored'}=${stored}${epoch === 0 ? '' : `;epoch=${epoch}`}`;
}

export function readCommitMetadata(metadata: string | null | undefined): CommitNote | null {
  const match = /^(stored|begin)=(\d{1,15})(?:;epoch=(\d{1,10}))?$/.exec(metadata ?? '');
  if (match === null) return null;
  const [, kind, stored, epoch] = match;
  const note = { stored: Number(stored), isBeginning: kind === 'begin' };
  return epoch === undefined ? note : { ...note, epoch: Number(epoch) };
}
