/** What the pipelines would say of a record, asked before it is sent: the very code that they judge with. */
import type { Config } from '../../config/schema.ts';
import { type TopicRole, topicNames } from '../../config/topics.ts';
import type { KafkaRecord, PartitionRef } from '../common/batch.ts';
import { RecordEncoder } from '../common/clickhouse-sink/record-encoder.ts';
import type { Clock } from '../common/clock.ts';
import type { Fault } from '../common/dead-letters/fault.ts';
import { createMetrics } from '../common/metrics.ts';
import { cursorOver } from '../common/record-cursor.ts';
import type { WriterSchemas } from '../common/registry/writer-schemas.ts';
import { ChunkPool } from '../common/transcode/chunk-pool.ts';
import { encodeText } from '../common/transcode/row-binary.ts';
import { RowChunks } from '../common/transcode/row-chunks.ts';
import type { RowSpec } from '../common/transcode/row-spec.ts';
import { timeLimits } from '../common/transcode/time-limits.ts';
import { CHANGE_ROWS } from '../profiles/rows.ts';
import { CAMPAIGN_ROWS, DELIVERY_ROWS, FEEDBACK_ROWS } from '../tracking/rows.ts';

const SPECS: Readonly<Record<TopicRole, RowSpec>> = {
  definitions: CAMPAIGN_ROWS,
  delivery: DELIVERY_ROWS,
  feedback: FEEDBACK_ROWS,
  profiles: CHANGE_ROWS,
};

export interface JudgeOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly schemas: WriterSchemas;
  /** The source topic. */
  readonly topic: string;
}

export class Judge {
  readonly #encoder: RecordEncoder;
  readonly #rows = new RowChunks(new ChunkPool());
  readonly #clock: Clock;
  readonly #topic: string;

  constructor({ config, clock, schemas, topic }: JudgeOptions) {
    const [role] = Object.entries(topicNames(config)).find(([, name]) => name === topic) ?? [];
    if (role === undefined) throw new RangeError(`${topic} is none of the topics`);
    const spec = SPECS[role as TopicRole];
    // What it counts is nobody's: the record has not come in.
    const metrics = createMetrics();
    const limits = timeLimits(config);
    this.#encoder = new RecordEncoder({ pipeline: 'dead-letters', topic, spec, limits, schemas, metrics });
    this.#clock = clock;
    this.#topic = topic;
  }

  /** What a pipeline would refuse the value for if it came in now; null when it would be stored. @throws {Outage} */
  async judge(value: Buffer | null): Promise<Fault | null> {
    const source: PartitionRef = { topic: this.#topic, topicId: '0'.repeat(32), partition: 0 };
    const bytes = value?.length ?? 0;
    const record: KafkaRecord = {
      topic: this.#topic,
      partition: 0,
      offset: 0,
      key: null,
      value,
      timestamp: this.#clock.now(),
      size: bytes,
    };
    await this.#encoder.prepare([{ source, first: 0, last: 0, bytes, records: [record] }]);
    const cursor = cursorOver([record]);
    cursor.next();
    const fault = this.#encoder.encode(this.#rows, cursor, encodeText(source.topicId));
    this.#rows.release();
    return fault;
  }
}
