/** A ledger of a test's own on the shared stack: topics, schemas, tables, and the pipelines that write to ClickHouse. */
import { randomUUID } from 'node:crypto';
import kafka, { type MessageHeader } from '@confluentinc/kafka-javascript';
import { type LoadOptions, loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import { deadLetterTopic, type TopicRole, topicNames } from '../../config/topics.ts';
import { frame, makeEncoders, type WorldEncoders } from '../../deploy/local/world/encoders.ts';
import type { Batch, KafkaRecord } from '../../pipelines/common/batch.ts';
import { type ClickHouseClient, createClickHouse } from '../../pipelines/common/clickhouse/client.ts';
import { systemClock } from '../../pipelines/common/clock.ts';
import { createAdmin, type KafkaAdmin } from '../../pipelines/common/kafka/admin.ts';
import { kafkaSettings, producerSettings } from '../../pipelines/common/kafka/client-settings.ts';
import { createLogger } from '../../pipelines/common/logger.ts';
import { createMetrics, type Metrics } from '../../pipelines/common/metrics.ts';
import type {
  CreatePipeline,
  Pipeline,
  PipelineDependencies,
  RunningPipeline,
} from '../../pipelines/common/runner/pipeline.ts';
import { runPipeline } from '../../pipelines/common/runner/runner.ts';
import { readMigrations, statementsOf } from '../../schemas/migrate/clickhouse/migration-files.ts';

export type Overrides = NonNullable<LoadOptions['overrides']>;

/** What a test sends; `value` as framed by `harness.encode`, or anything else. */
export interface Sent {
  readonly value: Buffer | null;
  readonly key?: Buffer | string | null;
  readonly headers?: MessageHeader[];
  readonly timestamp?: number;
}

export interface Letter {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Without those that begin with `dl.`. */
  readonly headers: readonly (readonly [string, string])[];
  /** Without the prefix. */
  readonly dl: Readonly<Record<string, string>>;
}

const ROLES: readonly TopicRole[] = ['definitions', 'delivery', 'feedback', 'profiles'];

export class LedgerHarness {
  readonly config: Config;
  readonly admin: KafkaAdmin;
  readonly client: ClickHouseClient;
  readonly encoders: WorldEncoders;
  readonly #topicIds: ReadonlyMap<string, string>;
  readonly #closing: (() => Promise<void> | void)[] = [];
  #producer: kafka.Producer | null = null;

  private constructor(
    config: Config,
    parts: { admin: KafkaAdmin; encoders: WorldEncoders; topicIds: ReadonlyMap<string, string> },
  ) {
    this.config = config;
    this.admin = parts.admin;
    this.encoders = parts.encoders;
    this.#topicIds = parts.topicIds;
    this.client = createClickHouse(config);
  }

  static async create(
    configFile: string,
    {
      partitions = 3,
      topicConfigs = {},
      overrides = {},
      prepare = (config) => prepareByHand(config, { partitions, topicConfigs }),
    }: {
      partitions?: number;
      topicConfigs?: Record<string, string>;
      overrides?: Overrides;
      /** Makes topics and tables; by hand when left out. */
      prepare?: (config: Config) => Promise<void>;
    } = {},
  ): Promise<LedgerHarness> {
    const unique = randomUUID().slice(0, 8);
    const config = await loadConfig({
      file: configFile,
      env: {},
      overrides: {
        retry: { initialMs: 20, maxMs: 200 },
        ...overrides,
        kafka: {
          topicPrefix: `ledger-${unique}.`,
          groupPrefix: `ledger-${unique}`,
          sessionTimeoutMs: 6_000,
          ...overrides.kafka,
        },
        clickhouse: {
          database: `ledger_${unique}`,
          biDatabase: `ledger_bi_${unique}`,
          ...overrides.clickhouse,
        },
      } as Overrides,
    });
    await prepare(config);
    const admin = createAdmin(config);
    const topics = ROLES.map((role) => topicNames(config)[role]);
    const described = await admin.describeTopics(topics);
    const topicIds = new Map([...described.values()].map(({ topic, topicId }) => [topic, topicId]));
    return new LedgerHarness(config, { admin, encoders: await makeEncoders(config), topicIds });
  }

  topic(role: TopicRole): string {
    return topicNames(this.config)[role];
  }

  /** Confluent-framed Avro under the schema of the topic. */
  encode(role: TopicRole, value: object): Buffer {
    const { schemaId, type } = this.encoders[role];
    return frame(schemaId, type.toBuffer(value));
  }

  /** Registers a further schema of a topic, and gives its id. */
  async register(role: TopicRole, schema: object): Promise<number> {
    const subject = `${this.topic(role)}-value`;
    const response = await fetch(`${this.config.schemaRegistry.url}/subjects/${subject}/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schema: JSON.stringify(schema) }),
    });
    const answer = (await response.json()) as { id?: number };
    if (answer.id === undefined) throw new Error(JSON.stringify(answer));
    return answer.id;
  }

  /** Records as the runner would hand them to a sink, without Kafka in between. */
  batch(
    role: TopicRole,
    records: readonly Sent[],
    { partition = 0, first = 0 }: { partition?: number; first?: number } = {},
  ): Batch {
    const topic = this.topic(role);
    return {
      source: { topic, topicId: this.#topicIds.get(topic) ?? '', partition },
      first,
      last: first + records.length - 1,
      bytes: records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0),
      records: records.map(
        ({ value, key = null, headers, timestamp = Date.now() }, index): KafkaRecord => ({
          topic,
          partition,
          offset: first + index,
          value,
          key,
          timestamp,
          size: value?.length ?? 0,
          ...(headers === undefined ? {} : { headers }),
        }),
      ),
    };
  }

  dependencies(overrides: Partial<PipelineDependencies> = {}): PipelineDependencies {
    return {
      config: this.config,
      logger: createLogger({ level: process.env.LEDGER_TEST_LOG ?? 'silent', format: 'json' }),
      metrics: createMetrics(),
      clock: systemClock,
      signal: new AbortController().signal,
      ...overrides,
    };
  }

  /** A pipeline whose sink is closed with the harness. */
  async pipeline(create: CreatePipeline, overrides: Partial<PipelineDependencies> = {}): Promise<Pipeline> {
    const pipeline = await create(this.dependencies(overrides));
    this.#closing.push(() => pipeline.sink.close());
    return pipeline;
  }

  /** Starts a pipeline on Kafka. */
  async run(
    create: CreatePipeline,
    limits: Partial<Config['pipelines']['tracking']> = {},
  ): Promise<RunningPipeline & { readonly metrics: Metrics; stop(): Promise<void> }> {
    const ending = new AbortController();
    const dependencies = this.dependencies();
    const { metrics, logger, clock } = dependencies;
    const pipeline = await create(dependencies);
    const running = runPipeline({
      pipeline,
      limits: { ...this.config.pipelines[pipeline.name], flushIntervalMs: 100, ...limits },
      config: this.config,
      admin: this.admin,
      logger,
      metrics,
      clock,
      signal: ending.signal,
      timing: { checkMs: 300, reexamineMs: 500 },
    });
    running.finished.catch(() => {});
    const stop = async () => {
      ending.abort();
      await running.finished;
    };
    this.#closing.push(() => stop().catch(() => {}));
    return { ...running, metrics, stop };
  }

  /** Resolves when Kafka has acknowledged all. */
  async produce(role: TopicRole, records: readonly (Sent & { partition?: number })[]): Promise<void> {
    await this.produceTo(this.topic(role), records);
  }

  /** As `produce`, to any topic. */
  async produceTo(topic: string, records: readonly (Sent & { partition?: number })[]): Promise<void> {
    const producer = await this.#connectedProducer();
    const refused: unknown[] = [];
    const note = (error: unknown) => error && refused.push(error);
    producer.on('delivery-report', note);
    for (const { value, key = null, headers, timestamp, partition } of records)
      producer.produce(topic, partition ?? null, value, key, timestamp ?? null, null, headers ?? []);
    await new Promise<void>((resolve, reject) =>
      producer.flush(120_000, (error) => (error ? reject(error) : resolve())),
    );
    producer.off('delivery-report', note);
    if (refused.length > 0) throw refused[0];
  }

  /** Everything that stands in the topic's dead-letter topic, in order. */
  async letters(role: TopicRole): Promise<Letter[]> {
    const topic = deadLetterTopic(this.topic(role));
    const [end] = await this.admin.stableEnds([{ topic, partition: 0 }]);
    const messages = await readAll(this.config, topic, end?.offset ?? 0);
    return messages.map(({ key, value, headers = [] }) => {
      const all = headers
        .flatMap((header) => Object.entries(header))
        .map(([k, v]) => [k, String(v)] as const);
      return {
        key: key == null ? null : Buffer.from(key),
        value,
        headers: all.filter(([name]) => !name.startsWith('dl.')),
        dl: Object.fromEntries(
          all.filter(([name]) => name.startsWith('dl.')).map(([name, value]) => [name.slice(3), value]),
        ),
      };
    });
  }

  /** Rows as objects; `events` and the like are tables of this ledger. */
  async rows<Row = Record<string, unknown>>(
    query: string,
    query_params: Record<string, unknown> = {},
  ): Promise<Row[]> {
    const answer = await this.client.query({ query, query_params, format: 'JSONEachRow' });
    return answer.json<Row>();
  }

  /** Ends what it has started, and leaves the tables. */
  async close(): Promise<void> {
    await this.#closeClients();
    await this.client.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closeClients();
    const { database, biDatabase } = this.config.clickhouse;
    await this.client.command({ query: `DROP DATABASE IF EXISTS ${biDatabase}` });
    await this.client.command({ query: `DROP DATABASE IF EXISTS ${database}` });
    await this.client.close();
  }

  async #closeClients(): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
    this.admin.close();
  }

  async #connectedProducer(): Promise<kafka.Producer> {
    if (this.#producer !== null) return this.#producer;
    const producer = new kafka.Producer({ ...producerSettings(this.config), 'linger.ms': 1 } as never);
    producer.setPollInterval(10);
    await new Promise<void>((resolve, reject) =>
      producer.connect({}, (error) => (error ? reject(error) : resolve())),
    );
    this.#closing.push(() => new Promise<void>((resolve) => producer.disconnect(() => resolve())));
    this.#producer = producer;
    return producer;
  }
}

async function prepareByHand(
  config: Config,
  { partitions, topicConfigs }: { partitions: number; topicConfigs: Record<string, string> },
): Promise<void> {
  const admin = createAdmin(config);
  for (const role of ROLES) {
    const topic = topicNames(config)[role];
    await admin.createTopic({ topic, partitions, replicationFactor: 1, configs: topicConfigs });
    await admin.createTopic({
      topic: deadLetterTopic(topic),
      partitions: 1,
      replicationFactor: 1,
      configs: { 'max.message.bytes': String(1024 * 1024 + 64 * 1024) },
    });
  }
  admin.close();
  await applyTables(config);
}

async function applyTables(config: Config): Promise<void> {
  const { database, biDatabase } = config.clickhouse;
  const client = createClickHouse(config, { database: null });
  try {
    for (const name of [database, biDatabase])
      await client.command({ query: `CREATE DATABASE IF NOT EXISTS ${name}` });
    for (const migration of readMigrations())
      for (const query of statementsOf(migration, config.clickhouse)) await client.command({ query });
  } finally {
    await client.close();
  }
}

async function readAll(config: Config, topic: string, end: number): Promise<kafka.Message[]> {
  if (end === 0) return [];
  const consumer = new kafka.KafkaConsumer(
    { ...kafkaSettings(config), 'group.id': randomUUID(), 'enable.auto.commit': false } as never,
    {},
  );
  consumer.setDefaultConsumeTimeout(200);
  await new Promise<void>((resolve, reject) =>
    consumer.connect({}, (error) => (error ? reject(error) : resolve())),
  );
  consumer.assign([{ topic, partition: 0, offset: 0 }]);
  const messages: kafka.Message[] = [];
  while ((messages.at(-1)?.offset ?? -1) < end - 1) {
    messages.push(
      ...(await new Promise<kafka.Message[]>((resolve, reject) =>
        consumer.consume(1_000, (error, some) => (error ? reject(error) : resolve(some))),
      )),
    );
  }
  await new Promise<void>((resolve) => consumer.disconnect(() => resolve()));
  return messages;
}
