/** Members of a pipeline's group in this process, on a real broker, and a producer that can also abort. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import kafka from '@confluentinc/kafka-javascript';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import { systemClock } from '../../pipelines/common/clock.ts';
import { createAdmin, type KafkaAdmin } from '../../pipelines/common/kafka/admin.ts';
import { kafkaSettings, producerSettings } from '../../pipelines/common/kafka/client-settings.ts';
import { createLogger, type Logger } from '../../pipelines/common/logger.ts';
import { createMetrics, type Metrics } from '../../pipelines/common/metrics.ts';
import type {
  BatchLimits,
  Pipeline,
  RunningPipeline,
  Timing,
} from '../../pipelines/common/runner/pipeline.ts';
import { runPipeline } from '../../pipelines/common/runner/runner.ts';
import type { Sink } from '../../pipelines/common/sink.ts';

const MIB = 1024 * 1024;

export type Protocol = 'cooperative-sticky' | 'range' | 'consumer';

export interface MemberOptions {
  readonly sink: Sink;
  readonly flush?: Pipeline['flush'];
  readonly limits?: Partial<BatchLimits>;
  readonly timing?: Partial<Timing>;
  readonly kafka?: Record<string, unknown>;
  readonly shutdownTimeoutMs?: number;
}

export interface Member extends RunningPipeline {
  readonly metrics: Metrics;
  readonly log: readonly LogLine[];
  stop(): Promise<void>;
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [key: string]: unknown;
}

/** One topic and one group of a test's own. */
export class RunnerHarness {
  readonly topic: string;
  readonly config: Config;
  readonly admin: KafkaAdmin;
  readonly logger: Logger = createLogger({ level: 'silent', format: 'json' });
  readonly #members: Member[] = [];
  readonly #producers: Producer[] = [];

  private constructor(config: Config, topic: string) {
    this.config = config;
    this.topic = topic;
    this.admin = createAdmin(config);
  }

  static async create(
    configFile: string,
    {
      protocol = 'cooperative-sticky',
      partitions = 3,
      kafka: more = {},
      topicConfigs = {},
    }: HarnessOptions = {},
  ): Promise<RunnerHarness> {
    const unique = randomUUID().slice(0, 8);
    const config = await loadConfig({
      file: configFile,
      env: {},
      overrides: {
        kafka: {
          topicPrefix: `runner-${unique}.`,
          groupPrefix: `runner-${unique}`,
          groupProtocol: protocol === 'consumer' ? 'consumer' : 'classic',
          assignmentStrategy: protocol === 'consumer' ? 'cooperative-sticky' : protocol,
          sessionTimeoutMs: 6_000,
          ...more,
        },
        retry: { initialMs: 20, maxMs: 200 },
      } as NonNullable<Parameters<typeof loadConfig>[0]>['overrides'] & object,
    });
    const harness = new RunnerHarness(config, `runner-${unique}.campaign.delivery`);
    await harness.createTopic(partitions, topicConfigs);
    return harness;
  }

  async createTopic(partitions: number, configs: Record<string, string> = {}): Promise<void> {
    await this.admin.createTopic({ topic: this.topic, partitions, replicationFactor: 1, configs });
  }

  get group(): string {
    return `${this.config.kafka.groupPrefix}.archive`;
  }

  start({
    sink,
    flush = 'partition',
    limits,
    timing,
    kafka: more,
    shutdownTimeoutMs,
  }: MemberOptions): Member {
    const log: LogLine[] = [];
    const logger = createLogger(
      { level: 'debug', format: 'json' },
      {
        write: (line: string) => {
          log.push(JSON.parse(line) as LogLine);
          if (process.env.RUNNER_TEST_LOG) process.stderr.write(line);
        },
      },
    );
    const metrics = createMetrics();
    const ending = new AbortController();
    const running = runPipeline({
      pipeline: { name: 'archive', topics: [this.topic], sink, flush },
      limits: {
        maxBatchRecords: 500,
        maxBatchBytes: 8 * MIB,
        flushIntervalMs: 100,
        maxBufferedBytes: 16 * MIB,
        ...limits,
      },
      config: {
        ...this.config,
        kafka: { ...this.config.kafka, ...more } as Config['kafka'],
        ...(shutdownTimeoutMs === undefined ? {} : { shutdownTimeoutMs }),
      },
      admin: this.admin,
      logger,
      metrics,
      clock: systemClock,
      signal: ending.signal,
      timing: {
        checkMs: 300,
        reexamineMs: 500,
        stallMs: 2_000,
        releaseMs: 2_000,
        pauseAfterMs: 200,
        ...timing,
      },
    });
    running.finished.catch(() => {});
    const member: Member = {
      ...running,
      metrics,
      log,
      stop: async () => {
        ending.abort();
        await running.finished;
      },
    };
    this.#members.push(member);
    return member;
  }

  async producer(options: { transactional?: boolean } = {}): Promise<Producer> {
    const producer = await Producer.connect(this.config, this.topic, options);
    this.#producers.push(producer);
    return producer;
  }

  /** Commits as an operator would with Kafka's own tools: while the group has no members. */
  async commitOffset(partition: number, offset: number): Promise<void> {
    const consumer = new kafka.KafkaConsumer(
      { ...kafkaSettings(this.config), 'group.id': this.group, 'enable.auto.commit': false },
      {},
    );
    await new Promise<void>((resolve, reject) =>
      consumer.connect({}, (error) => (error ? reject(error) : resolve())),
    );
    consumer.commitSync([{ topic: this.topic, partition, offset }]);
    await new Promise<void>((resolve) => consumer.disconnect(() => resolve()));
  }

  async committed(partition: number): Promise<number | undefined> {
    const [committed] = await this.admin.committedOffsets(this.group, [{ topic: this.topic, partition }]);
    return committed?.offset;
  }

  async end(partition: number): Promise<number> {
    const [end] = await this.admin.stableEnds([{ topic: this.topic, partition }]);
    return end?.offset ?? -1;
  }

  /** Ends everything that it has started. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#members.map((member) => member.stop()));
    await Promise.all(this.#producers.map((producer) => producer.close()));
    this.admin.close();
  }
}

export interface HarnessOptions {
  readonly protocol?: Protocol;
  readonly partitions?: number;
  readonly kafka?: Record<string, unknown>;
  readonly topicConfigs?: Record<string, string>;
}

/** Of every record that a producer sends. */
export const MESSAGE_KEY = 'tenant/user';

export class Producer {
  readonly #client: kafka.Producer;
  readonly #topic: string;
  readonly #delivered = new Map<number, string[]>();

  private constructor(client: kafka.Producer, topic: string) {
    this.#client = client;
    this.#topic = topic;
  }

  static async connect(config: Config, topic: string, { transactional = false }): Promise<Producer> {
    const client = new kafka.Producer(
      {
        ...producerSettings(config),
        'linger.ms': 1,
        ...(transactional ? { 'transactional.id': randomUUID() } : {}),
      } as kafka.ProducerGlobalConfig,
      {},
    );
    client.setPollInterval(10);
    await call((done) => client.connect({}, done));
    if (transactional) await call((done) => client.initTransactions(10_000, done));
    return new Producer(client, topic);
  }

  /** What consumers of committed records must see of a partition, in order. */
  values(partition: number): readonly string[] {
    return this.#delivered.get(partition) ?? [];
  }

  get count(): number {
    return [...this.#delivered.values()].reduce((sum, { length }) => sum + length, 0);
  }

  async produce(partition: number, values: readonly (string | Buffer)[]): Promise<void> {
    await this.#produce(partition, values);
    const delivered = this.#delivered.get(partition) ?? [];
    for (const value of values) delivered.push(String(value));
    this.#delivered.set(partition, delivered);
  }

  async commit(partition: number, values: readonly (string | Buffer)[]): Promise<void> {
    await this.begin();
    await this.produce(partition, values);
    await this.end('commit');
  }

  async abort(partition: number, values: readonly (string | Buffer)[]): Promise<void> {
    await this.begin();
    await this.#produce(partition, values);
    await this.end('abort');
  }

  /** A transaction; what is produced until its end belongs to it. */
  async begin(): Promise<void> {
    await call((done) => this.#client.beginTransaction(done));
  }

  async end(how: 'commit' | 'abort'): Promise<void> {
    await call((done) =>
      how === 'commit'
        ? this.#client.commitTransaction(10_000, done)
        : this.#client.abortTransaction(10_000, done),
    );
  }

  async close(): Promise<void> {
    await call((done) => this.#client.disconnect((error) => done(error)));
  }

  async #produce(partition: number, values: readonly (string | Buffer)[]): Promise<void> {
    for (const value of values) {
      this.#client.produce(this.#topic, partition, Buffer.from(value), Buffer.from(MESSAGE_KEY));
    }
    await call((done) => this.#client.flush(30_000, done));
  }
}

function call(start: (done: (error: unknown) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error ? reject(error) : resolve()));
  });
}

/** Waits for something that must come about; how long it takes is no matter. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  {
    withinMs = 30_000,
    everyMs = 20,
    what = 'the expected state',
  }: { withinMs?: number; everyMs?: number; what?: string } = {},
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what} did not come about within ${withinMs} ms`);
    await sleep(everyMs);
  }
}

export async function metricValue(metrics: Metrics, name: string): Promise<number> {
  const metric = metrics.registry.getSingleMetric(name);
  const { values } = (await metric?.get()) ?? { values: [] };
  return values.reduce((sum, { value }) => sum + value, 0);
}
