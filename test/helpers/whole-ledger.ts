/** A ledger of a test's own, made by `migrate`, whose pipelines run as processes of their own. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import avsc from 'avsc';
import { parse, stringify } from 'yaml';
import type { Config, PipelineName } from '../../config/schema.ts';
import { deadLetterTopic, replayLogTopic, type TopicRole, topicNames } from '../../config/topics.ts';
import { mergeTrees, type Tree } from '../../config/tree.ts';
import { systemClock } from '../../pipelines/common/clock.ts';
import type { TopicPartition } from '../../pipelines/common/kafka/admin.ts';
import { migrate } from '../../schemas/migrate/migrate.ts';
import { consumeAll, type SeenRecord } from './kafka-witness.ts';
import { LedgerHarness, type Overrides } from './ledger-harness.ts';
import type { Writers } from './ledger-oracle.ts';
import { type Answer, ledgerCommand, PipelineChild } from './pipeline-child.ts';
import { eventually } from './runner-harness.ts';

export const ROLES: readonly TopicRole[] = ['definitions', 'delivery', 'feedback', 'profiles'];

const TOPICS_OF: Readonly<Record<PipelineName, readonly TopicRole[]>> = {
  tracking: ['definitions', 'delivery', 'feedback'],
  archive: ROLES,
  profiles: ['profiles'],
};

/** Small batches and short waits: a test has much going on with few records. */
const limits = (flushIntervalMs: number) => ({ maxBatchRecords: 400, flushIntervalMs });
const FOR_TESTS = {
  kafka: {
    topics: {
      definitions: { partitions: 1 },
      delivery: { partitions: 3 },
      feedback: { partitions: 3 },
      profiles: { partitions: 2 },
    },
  },
  pipelines: { tracking: limits(100), profiles: limits(100), archive: limits(300) },
  retry: { initialMs: 50, maxMs: 500 },
};

export interface WholeLedgerOptions {
  readonly overrides?: Overrides;
  /** `small`, when left out: few partitions, small batches and short waits. `default`: as the stack and config/default.yaml have it. */
  readonly sizes?: 'small' | 'default';
  /** Instead of making topics and tables in this process. */
  readonly prepare?: (configFile: string) => Promise<void>;
}

export class WholeLedger {
  readonly harness: LedgerHarness;
  readonly config: Config;
  /** For commands: names this ledger's topics, groups, databases and blobs. */
  readonly configFile: string;
  readonly folder: string;
  readonly #children: PipelineChild[] = [];
  readonly #writers: Readonly<Record<TopicRole, Map<number, avsc.Type>>>;

  private constructor(
    harness: LedgerHarness,
    { configFile, folder }: { configFile: string; folder: string },
  ) {
    this.harness = harness;
    this.config = harness.config;
    this.configFile = configFile;
    this.folder = folder;
    const of = (role: TopicRole) => {
      const { schemaId, type } = harness.encoders[role];
      return new Map([[schemaId, type]]);
    };
    this.#writers = {
      definitions: of('definitions'),
      delivery: of('delivery'),
      feedback: of('feedback'),
      profiles: of('profiles'),
    };
  }

  static async create(
    stackConfigFile: string,
    { overrides = {}, sizes = 'small', prepare }: WholeLedgerOptions = {},
  ): Promise<WholeLedger> {
    const unique = `whole-${randomUUID().slice(0, 8)}`;
    const database = unique.replace('-', '_');
    const own = {
      kafka: { topicPrefix: `${unique}.`, groupPrefix: unique },
      clickhouse: { database, biDatabase: `${database}_bi` },
      blob: { prefix: `${unique}/` },
    };
    const folder = await mkdtemp(join(tmpdir(), 'whole-ledger-'));
    const configFile = join(folder, 'config.yaml');
    const stackConfig = parse(await readFile(stackConfigFile, 'utf8')) as Tree;
    const sized = sizes === 'small' ? FOR_TESTS : {};
    const config = mergeTrees(stackConfig, sized, overrides as Tree, own);
    await writeFile(configFile, stringify(config), { mode: 0o600 });
    const harness = await LedgerHarness.create(configFile, {
      overrides: { ...own, retry: FOR_TESTS.retry },
      prepare: async (checked) => {
        if (prepare !== undefined) return prepare(configFile);
        const { faults } = await migrate(checked, { clock: systemClock });
        if (faults.length > 0) throw new Error(JSON.stringify(faults));
      },
    });
    return new WholeLedger(harness, { configFile, folder });
  }

  topic(role: TopicRole): string {
    return topicNames(this.config)[role];
  }

  writers(role: TopicRole): Writers {
    return this.#writers[role];
  }

  /** Registers a further schema under the topic's subject; what it writes is good from now on. */
  async addWriter(role: TopicRole, schema: object): Promise<{ schemaId: number; type: avsc.Type }> {
    const schemaId = await this.harness.register(role, schema);
    const type = avsc.Type.forSchema(schema as avsc.Schema);
    this.#writers[role].set(schemaId, type);
    return { schemaId, type };
  }

  /** Starts pipelines, all of them when none is named; what is still running is killed with the ledger. */
  start(
    pipelines: readonly PipelineName[] = [],
    { env = {}, configFile = this.configFile }: { env?: Record<string, string>; configFile?: string } = {},
  ): PipelineChild {
    return this.#launch('run', [...pipelines, '--config', configFile], env);
  }

  /** A command that goes on until it is told to end. */
  startCommand(
    command: string,
    args: readonly string[],
    { configFile = this.configFile }: { configFile?: string } = {},
  ): PipelineChild {
    return this.#launch(command, [...args, '--config', configFile], {});
  }

  #launch(command: string, args: readonly string[], env: Record<string, string>): PipelineChild {
    const logFile = join(this.folder, `${command}-${this.#children.length}.log`);
    const child = PipelineChild.start(args, { logFile, env, command });
    this.#children.push(child);
    return child;
  }

  command(...args: readonly string[]): Promise<Answer> {
    return ledgerCommand([...args, '--config', this.configFile]);
  }

  /** Another configuration of the same ledger, for a process that is to differ. */
  async configured(name: string, overrides: Overrides): Promise<string> {
    const file = join(this.folder, `${name}.yaml`);
    const config = mergeTrees(parse(await readFile(this.configFile, 'utf8')) as Tree, overrides as Tree);
    await writeFile(file, stringify(config), { mode: 0o600 });
    return file;
  }

  async partitions(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const described = await this.harness.admin.describeTopics(topics);
    return new Map([...described.values()].map(({ topic, partitions }) => [topic, partitions]));
  }

  async topicIds(): Promise<ReadonlyMap<string, string>> {
    const described = await this.harness.admin.describeTopics(ROLES.map((role) => this.topic(role)));
    return new Map([...described.values()].map(({ topic, topicId }) => [topic, topicId]));
  }

  /**
   * By Kafka's own word: every group has committed every offset that there is, markers included.
   * @throws {Error} with the pipelines' logs when that does not come about
   */
  async caughtUp(
    pipelines: readonly PipelineName[] = ['tracking', 'archive', 'profiles'],
    { withinMs = 90_000, everyMs = 150 }: { withinMs?: number; everyMs?: number } = {},
  ): Promise<void> {
    const waiting = pipelines.map((pipeline) =>
      eventually(async () => (await this.hasCaughtUp(pipeline).catch(() => false)) || this.#mustBeRunning(), {
        what: `${pipeline} at the end of its topics`,
        withinMs,
        everyMs,
      }),
    );
    await Promise.all(waiting).catch((error: unknown) => {
      throw new Error([String(error), ...this.#children.map(({ tail }) => tail)].join('\n'), {
        cause: error,
      });
    });
  }

  /** Without a process nothing comes about any more. */
  #mustBeRunning(): false {
    if (this.#children.every(({ end }) => end !== null)) throw new Error('no pipeline is running');
    return false;
  }

  async hasCaughtUp(pipeline: PipelineName): Promise<boolean> {
    const ends = await this.ends(pipeline);
    const committed = await this.committed(pipeline);
    return [...ends].every(([partition, end]) => committed.get(partition) === end);
  }

  group(pipeline: PipelineName): string {
    return `${this.config.kafka.groupPrefix}.${pipeline}`;
  }

  /** One past the last offset of every partition that the pipeline reads, empty ones left out, by `<topic>/<partition>`. */
  async ends(pipeline: PipelineName): Promise<ReadonlyMap<string, number>> {
    const marks = await this.harness.admin.watermarks(await this.#partitionsOf(TOPICS_OF[pipeline]));
    const written = marks.filter(({ high }) => high > 0);
    return new Map(written.map(({ topic, partition, high }) => [`${topic}/${partition}`, high]));
  }

  /** What the pipeline's group has committed, by `<topic>/<partition>`. */
  async committed(pipeline: PipelineName): Promise<ReadonlyMap<string, number>> {
    const partitions = await this.#partitionsOf(TOPICS_OF[pipeline]);
    const offsets = await this.harness.admin.committedOffsets(this.group(pipeline), partitions);
    return new Map(offsets.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]));
  }

  async #partitionsOf(roles: readonly TopicRole[]): Promise<TopicPartition[]> {
    const counts = await this.partitions(roles.map((role) => this.topic(role)));
    return [...counts].flatMap(([topic, count]) =>
      Array.from({ length: count }, (_, partition) => ({ topic, partition })),
    );
  }

  /** Every committed record of the topic, as a plain consumer reads it. */
  async records(role: TopicRole): Promise<SeenRecord[]> {
    const topics = [this.topic(role)];
    return consumeAll(this.config.kafka.brokers, await this.partitions(topics), await this.topicIds());
  }

  async letters(role: TopicRole): Promise<SeenRecord[]> {
    return consumeAll(this.config.kafka.brokers, await this.partitions([deadLetterTopic(this.topic(role))]));
  }

  /** @param query `{bi}` stands for the BI views' database; unqualified names are tables */
  rows<Row = Record<string, unknown>>(
    query: string,
    parameters: Record<string, unknown> = {},
  ): Promise<Row[]> {
    return this.harness.rows<Row>(query.replaceAll('{bi}', this.config.clickhouse.biDatabase), parameters);
  }

  /** Whatever a test that failed has left running. */
  async killAll(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.kill()));
  }

  /** Leaves everything in its place, for people to look at; this process lets go of it. */
  async leave(): Promise<void> {
    await this.killAll();
    await this.harness.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killAll();
    for (const role of ROLES)
      for (const name of [deadLetterTopic, replayLogTopic, String].map((nameOf) => nameOf(this.topic(role))))
        await this.harness.admin.deleteTopic(name);
    await this.#deleteBlobs();
    await this.harness[Symbol.asyncDispose]();
    if (process.env.LEDGER_KEEP_STACK !== '1') await rm(this.folder, { recursive: true, force: true });
  }

  async #deleteBlobs(): Promise<void> {
    const { connectionString, container, prefix } = this.config.blob;
    const client = BlobServiceClient.fromConnectionString(connectionString ?? '').getContainerClient(
      container,
    );
    for await (const { name } of client.listBlobsFlat({ prefix })) await client.deleteBlob(name);
  }
}
