/** Leaves a mark in every part of a stack, and tells later which marks are still there. */
import kafka from '@confluentinc/kafka-javascript';
import { request } from 'undici';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import { createContainer } from '../../pipelines/common/blob/container.ts';
import { createClickHouse } from '../../pipelines/common/clickhouse/client.ts';
import { createAdmin } from '../../pipelines/common/kafka/admin.ts';
import { kafkaSettings, producerSettings } from '../../pipelines/common/kafka/client-settings.ts';

const TOPIC = 'witness';
const TABLE = 'default.witness';

export interface Marks {
  readonly kafka: readonly string[];
  readonly clickhouse: readonly string[];
  readonly blob: readonly string[];
  readonly registry: readonly string[];
}

export class Witness {
  readonly #config: Config;

  private constructor(config: Config) {
    this.#config = config;
  }

  static async of(configFile: string): Promise<Witness> {
    return new Witness(await loadConfig({ file: configFile, env: {} }));
  }

  /** Once for a data directory. */
  async prepare(): Promise<void> {
    const admin = createAdmin(this.#config);
    await admin.createTopic({ topic: TOPIC, partitions: 1, replicationFactor: 1 });
    admin.close();
    const client = createClickHouse(this.#config, { database: null });
    await client.command({
      query: `CREATE TABLE ${TABLE} (mark String) ENGINE = MergeTree ORDER BY mark
              SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`,
    });
    await client.close();
  }

  /** Resolves when every part has said that it keeps the mark. */
  async leave(mark: string): Promise<void> {
    await Promise.all([
      this.#produce(mark),
      this.#insert(mark),
      this.#blob(mark).upload(mark, mark.length, { conditions: { ifNoneMatch: '*' } }),
      this.#registry('POST', `/subjects/${mark}/versions`, { schema: schemaOf(mark) }),
    ]);
  }

  /** Of these marks, those that each part has, unchanged. */
  async find(marks: readonly string[]): Promise<Marks> {
    const [records, rows, blobs, subjects] = await Promise.all([
      this.#consume(),
      this.#select(),
      present(marks, async (mark) => (await this.#blob(mark).downloadToBuffer()).toString() === mark),
      present(marks, async (mark) => {
        const found = await this.#registry('GET', `/subjects/${mark}/versions/latest`);
        return found.schema === schemaOf(mark);
      }),
    ]);
    const among = (found: readonly string[]) => marks.filter((mark) => found.includes(mark));
    return { kafka: among(records), clickhouse: among(rows), blob: blobs, registry: subjects };
  }

  #produce(mark: string): Promise<void> {
    const producer = new kafka.Producer({ ...producerSettings(this.#config), 'linger.ms': 0 } as never);
    producer.setPollInterval(10);
    return new Promise<void>((resolve, reject) => {
      producer.once('delivery-report', (error) => (error ? reject(error) : resolve()));
      producer.connect({}, (error) => {
        if (error) reject(error);
        else producer.produce(TOPIC, 0, Buffer.from(mark));
      });
    }).finally(() => producer.disconnect());
  }

  async #consume(): Promise<string[]> {
    const admin = createAdmin(this.#config);
    const [ends] = await admin.watermarks([{ topic: TOPIC, partition: 0 }]);
    admin.close();
    const consumer = new kafka.KafkaConsumer(
      { ...kafkaSettings(this.#config), 'group.id': 'witness', 'enable.auto.commit': false } as never,
      {},
    );
    await new Promise<void>((resolve, reject) => {
      consumer.connect({}, (error) => (error ? reject(error) : resolve()));
    });
    consumer.setDefaultConsumeTimeout(200);
    consumer.assign([{ topic: TOPIC, partition: 0, offset: 0 }]);
    const values: string[] = [];
    while (values.length < (ends?.high ?? 0)) {
      const messages = await new Promise<kafka.Message[]>((resolve, reject) => {
        consumer.consume(100, (error, some) => (error ? reject(error) : resolve(some)));
      });
      values.push(...messages.map(({ value }) => String(value)));
    }
    await new Promise<void>((resolve) => consumer.disconnect(() => resolve()));
    return values;
  }

  async #insert(mark: string): Promise<void> {
    const client = createClickHouse(this.#config, { database: null });
    await client.insert({ table: TABLE, values: [{ mark }], format: 'JSONEachRow' });
    await client.close();
  }

  async #select(): Promise<string[]> {
    const client = createClickHouse(this.#config, { database: null });
    const rows = await client.query({ query: `SELECT mark FROM ${TABLE}`, format: 'JSONEachRow' });
    const marks = (await rows.json<{ mark: string }>()).map(({ mark }) => mark);
    await client.close();
    return marks;
  }

  #blob(mark: string) {
    return createContainer(this.#config).getBlockBlobClient(`witness/${mark}`);
  }

  async #registry(method: 'GET' | 'POST', path: string, body?: object): Promise<{ schema?: string }> {
    const response = await request(this.#config.schemaRegistry.url + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = (await response.body.json()) as { schema?: string };
    if (response.statusCode !== 200) throw new Error(JSON.stringify(answer));
    return answer;
  }
}

function schemaOf(mark: string): string {
  return JSON.stringify({ type: 'enum', name: 'Mark', symbols: [mark.replaceAll('-', '_')] });
}

async function present(marks: readonly string[], has: (mark: string) => Promise<boolean>): Promise<string[]> {
  const found = await Promise.all(marks.map((mark) => has(mark).catch(() => false)));
  return marks.filter((_mark, index) => found[index]);
}
