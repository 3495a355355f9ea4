/** Up to where a report goes in each partition: with it the same report can be made again. */
import { compareUtf8 } from '../cold/cold-table.ts';

/** Records of the partition below `next` are in the report, others are not. Sorted by topic, then by source. */
export interface PinnedPartition {
  /** Null where nobody knows it: rows of a topic that no pipeline has progress of. */
  readonly topic: string | null;
  readonly topic_id: string;
  readonly partition: number;
  readonly next: number;
}

export interface Placed {
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
}

interface Known {
  readonly topic: string | null;
  next: number;
}

export const sourceOf = ({ topicId, partition }: Pick<Placed, 'topicId' | 'partition'>): string =>
  `${topicId}/${partition}`;

export class Pin {
  readonly #known = new Map<string, Known>();
  readonly #isFixed: boolean;
  #rejected = 0;

  /** @param fixed of an earlier report: nothing is added to it */
  constructor(fixed: readonly PinnedPartition[] | null = null) {
    this.#isFixed = fixed !== null;
    for (const { topic, topic_id, partition, next } of fixed ?? [])
      this.#known.set(`${topic_id}/${partition}`, { topic, next });
  }

  get isFixed(): boolean {
    return this.#isFixed;
  }

  /** How many rows were met that had been recorded behind it. */
  get rejected(): number {
    return this.#rejected;
  }

  /** Everything of the source below `next` is about to be read. */
  raise(topic: string, source: string, next: number): void {
    if (this.#isFixed) return;
    const known = this.#known.get(source);
    if (known === undefined || known.next < next) this.#known.set(source, { topic, next });
  }

  /** Null: the source is not in it. */
  nextOf(source: string): number | null {
    return this.#known.get(source)?.next ?? null;
  }

  /**
   * Whether the row belongs to the report. Rows of a source without any progress came by other hands: all that are met
   * belong to it.
   */
  admits(row: Placed): boolean {
    const source = sourceOf(row);
    const known = this.#known.get(source);
    if (known !== undefined && (this.#isFixed || known.topic !== null)) {
      if (row.offset < known.next) return true;
    } else if (!this.#isFixed) {
      this.#known.set(source, { topic: null, next: Math.max(known?.next ?? 0, row.offset + 1) });
      return true;
    }
    this.#rejected += 1;
    return false;
  }

  list(): PinnedPartition[] {
    return Array.from(this.#known, ([source, { topic, next }]) => {
      const [topic_id = '', partition] = source.split('/');
      return { topic, topic_id, partition: Number(partition), next };
    }).sort(
      (a, b) =>
        compareUtf8(a.topic ?? '', b.topic ?? '') ||
        compareUtf8(a.topic_id, b.topic_id) ||
        a.partition - b.partition,
    );
  }
}
