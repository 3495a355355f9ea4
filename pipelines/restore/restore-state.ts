/**
 * How far a restore into ClickHouse has come, kept in the very tables that it fills: where they are lost it is lost with
 * them, and never says of other tables that something is there.
 */
import { hash } from 'node:crypto';
import { asOutage, type ClickHouseClient } from '../common/clickhouse/client.ts';
import type { Clock } from '../common/clock.ts';
import type { Reached } from './row-loader.ts';

export interface StateOptions {
  readonly client: ClickHouseClient;
  readonly clock: Clock;
  /** What is restored: only the very same goes on where another ended. */
  readonly job: unknown;
  readonly believedForMs: number;
}

export class RestoreState {
  readonly #client: ClickHouseClient;
  readonly #clock: Clock;
  readonly #name: string;
  readonly #believedForMs: number;

  constructor({ client, clock, job, believedForMs }: StateOptions) {
    this.#believedForMs = believedForMs;
    this.#client = client;
    this.#clock = clock;
    this.#name = `restore ${hash('sha256', JSON.stringify(job)).slice(0, 16)}`;
  }

  /** The next offset by `<topic id>/<partition>`. @throws {Outage} */
  async read(): Promise<ReadonlyMap<string, number>> {
    return this.#translated(async () => {
      const answer = await this.#client.query({
        query: `SELECT topic_id, partition, toString(max(next_offset)) AS next FROM progress
          WHERE pipeline = {name:String} AND written_at >= fromUnixTimestamp64Milli({since:Int64})
          GROUP BY topic_id, partition`,
        query_params: { name: this.#name, since: Math.floor(this.#clock.now() - this.#believedForMs) },
        format: 'JSONEachRow',
      });
      const rows = await answer.json<{ topic_id: string; partition: number; next: string }>();
      return new Map(rows.map(({ topic_id, partition, next }) => [`${topic_id}/${partition}`, Number(next)]));
    });
  }

  /** @throws {Outage} */
  async note(reached: Iterable<Reached>): Promise<void> {
    const written_at = new Date(this.#clock.now()).toISOString().replace('T', ' ').replace('Z', '');
    const values = [...reached].map(({ source: { topic, topicId, partition }, next }) => ({
      pipeline: this.#name,
      topic,
      topic_id: topicId,
      partition,
      next_offset: next,
      written_at,
    }));
    await this.#translated(() =>
      this.#client.insert({
        table: 'progress',
        format: 'JSONEachRow',
        columns: ['pipeline', 'topic', 'topic_id', 'partition', 'next_offset', 'written_at'],
        values,
      }),
    );
  }

  /** It has ended: the next one begins at the beginning. @throws {Outage} */
  async clear(): Promise<void> {
    await this.#translated(() =>
      this.#client.command({
        query: 'DELETE FROM progress WHERE pipeline = {name:String}',
        query_params: { name: this.#name },
      }),
    );
  }

  async #translated<T>(work: () => Promise<T>): Promise<T> {
    return work().catch((error: unknown) => {
      throw asOutage(error);
    });
  }
}
