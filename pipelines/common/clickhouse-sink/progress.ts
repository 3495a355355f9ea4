/** Where a pipeline stands in ClickHouse: read at each assignment, written after each flush. The truth about what is durable. */
import { type Batch, type PartitionRef, partitionKey } from '../batch.ts';
import type { ClickHouseClient } from '../clickhouse/client.ts';
import type { Clock } from '../clock.ts';
import { Fenced, UsageError } from '../errors.ts';
import { faultPoint } from '../fault-points.ts';
import type { Gap } from '../gaps.ts';
import type { SinkPosition } from '../sink.ts';
import type { FlushStep } from './flush.ts';
import { translate } from './row-insert.ts';

export interface ProgressOptions {
  readonly pipeline: string;
  readonly client: ClickHouseClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface ProgressRow {
  readonly topic_id: string;
  readonly partition: number;
  readonly newest_epoch: number;
  readonly next: string;
}

export class Progress {
  readonly #options: ProgressOptions;
  /** By partition. An operator raises the epoch to move progress back; it holds until the next assignment. */
  readonly #epochs = new Map<string, number>();

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  /** @throws {Outage} when ClickHouse cannot be asked */
  async positions(sources: readonly PartitionRef[]): Promise<Map<string, SinkPosition>> {
    const known = new Map(
      (await this.#read(sources)).map((row) => [`${row.topic_id}/${row.partition}`, row]),
    );
    return new Map(
      sources.map((source) => {
        const key = partitionKey(source);
        const row = known.get(key);
        this.#epochs.set(key, row?.newest_epoch ?? 0);
        const epoch = row?.newest_epoch ?? 0;
        return [key, { next: row === undefined ? null : Number(row.next), intent: null, epoch }];
      }),
    );
  }

  /** Moves the progress past records that will never come, with a note of who says so and why. */
  async acceptGap(source: PartitionRef, { first, last, by, reason }: Gap): Promise<void> {
    const position = (await this.positions([source])).get(partitionKey(source));
    const next = position?.next ?? first;
    if (next === last + 1) return;
    if (next !== first) {
      throw new UsageError(
        `${this.#options.pipeline} needs offset ${next}: a gap can only be accepted from there on`,
      );
    }
    const note = `offsets ${first} to ${last} accepted as missing by ${by}: ${reason}`;
    const row = this.#row({ source, last });
    const epoch = Number(row.epoch);
    // Of one epoch only the furthest row stays: the note has one that nothing else is ever written in.
    await this.#insert([
      { ...row, note, epoch: epoch + 1 },
      { ...row, epoch: epoch + 2 },
    ]);
  }

  /**
   * Moves the progress there, forwards or back, under an epoch that no row has: whoever still writes under an older one
   * counts for nothing. @throws {Outage}
   */
  async moveTo(
    targets: readonly { readonly source: PartitionRef; readonly next: number }[],
    { note }: { readonly note: string },
  ): Promise<void> {
    if (targets.length === 0) return;
    await this.positions(targets.map(({ source }) => source));
    // Commits in Kafka outlive the tables: an epoch of theirs must not come again in new ones.
    const now = Math.floor(this.#options.clock.now() / 1_000);
    await this.#insert(
      targets.flatMap(({ source, next }) => {
        const row = this.#row({ source, last: next - 1 });
        const epoch = Math.max(now, Number(row.epoch) + 1);
        return [
          { ...row, note, epoch },
          { ...row, epoch: epoch + 1 },
        ];
      }),
    );
  }

  forget(sources: readonly PartitionRef[]): void {
    for (const source of sources) this.#epochs.delete(partitionKey(source));
  }

  /** The last step of every chain: whatever came before it is durable, so the partitions have come this far. */
  record(): FlushStep {
    const { pipeline } = this.#options;
    return async (flush) => {
      flush.assertOurs();
      await this.#assertNotMoved(flush.batches.map(({ batch }) => batch.source));
      faultPoint('before-progress', pipeline);
      await this.#insert(flush.batches.map(({ batch }) => this.#row(batch)));
      faultPoint('after-progress', pipeline);
    };
  }

  /**
   * What is written under an epoch that is over counts for nothing. Whoever still goes on from where it stood before has
   * to ask anew: the rows in between may be gone.
   * @throws {Fenced}
   */
  async #assertNotMoved(sources: readonly PartitionRef[]): Promise<void> {
    const rows = await this.#read(sources);
    for (const { topic_id, partition, newest_epoch } of rows) {
      const epoch = this.#epochs.get(`${topic_id}/${partition}`);
      if (epoch !== undefined && newest_epoch > epoch)
        throw new Fenced(`the progress of ${topic_id}/${partition} has been moved by a person`);
    }
  }

  async #insert(values: readonly Record<string, string | number>[]): Promise<void> {
    const { client, signal } = this.#options;
    try {
      await client.insert({
        table: 'progress',
        format: 'JSONEachRow',
        columns: ['pipeline', 'topic', 'topic_id', 'partition', 'epoch', 'next_offset', 'written_at', 'note'],
        values,
        abort_signal: signal,
      });
    } catch (error) {
      throw translate(error);
    }
  }

  #row({ source, last }: Pick<Batch, 'source' | 'last'>): Record<string, string | number> {
    const { topic, topicId, partition } = source;
    return {
      pipeline: this.#options.pipeline,
      topic,
      topic_id: topicId,
      partition,
      epoch: this.#epochs.get(partitionKey(source)) ?? 0,
      next_offset: last + 1,
      note: '',
      written_at: new Date(this.#options.clock.now()).toISOString().replace('T', ' ').replace('Z', ''),
    };
  }

  async #read(sources: readonly PartitionRef[]): Promise<ProgressRow[]> {
    if (sources.length === 0) return [];
    const { pipeline, client, signal } = this.#options;
    try {
      const answer = await client.query({
        query: `SELECT topic_id, partition, max(epoch) AS newest_epoch,
            toString(argMax(next_offset, (epoch, next_offset))) AS next
          FROM progress
          WHERE pipeline = {pipeline:String} AND topic_id IN {topicIds:Array(String)}
          GROUP BY topic_id, partition`,
        query_params: { pipeline, topicIds: [...new Set(sources.map(({ topicId }) => topicId))] },
        format: 'JSONEachRow',
        abort_signal: signal,
      });
      return await answer.json<ProgressRow>();
    } catch (error) {
      throw translate(error);
    }
  }
}
