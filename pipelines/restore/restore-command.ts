/** `archive restore` */
import { userInfo } from 'node:os';
import type { Config, PipelineName } from '../../config/schema.ts';
import type { ArchivePlace } from '../archive/listing.ts';
import { type CommandContext, EXIT, type ExitCode } from '../command-context.ts';
import { createContainer } from '../common/blob/container.ts';
import { type ClickHouseClient, createClickHouse } from '../common/clickhouse/client.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import { UsageError } from '../common/errors.ts';
import { createAdmin } from '../common/kafka/admin.ts';
import { progressBar } from '../common/progress-bar.ts';
import { retryOutage } from '../common/retry.ts';
import { DAY_MS } from '../retention/days.ts';
import { EventDays } from './event-days.ts';
import { holdingRoute } from './hold-route.ts';
import { checkedTarget } from './kafka-target.ts';
import { assertNoneRun, readOnFromProgress } from './pipelines-around.ts';
import type { RestoreContext } from './request.ts';
import {
  checkOptions,
  choiceOf,
  chosenTopics,
  DEFAULT_KEEP_FOR_MS,
  type RestoreOptions,
} from './restore-options.ts';
import { type Loaded, loadTopics } from './to-clickhouse.ts';
import { sendTopic } from './to-kafka.ts';
import { restoreAll } from './whole-ledger.ts';

/** Of one request. */
const READ_TRIES = 5;

/** What stands in ClickHouse in the end, or in the topic. */
interface Result {
  readonly records: number;
  readonly refused: number;
  readonly damages: number;
  /** Topics of which the archive holds nothing. */
  readonly empty: readonly string[];
  /** Segments of the topics, chosen or not. */
  readonly listed: number;
  readonly details: Readonly<Record<string, unknown>>;
}

export async function restore(
  context: CommandContext,
  named: readonly string[],
  options: RestoreOptions,
): Promise<ExitCode> {
  checkOptions(named, options);
  const running = contextOf(context, options);
  const result =
    options.to === 'kafka'
      ? await toKafka(context, running, named, options)
      : await withClickHouse(context.config, (client) => {
          if (options.all) return all(context, running, client, options);
          return toClickHouse(context, running, client, { named, options });
        });
  for (const topic of result.empty) say(`the archive has no segment of ${topic}`);
  const { records, refused, damages } = result;
  if (options.json)
    process.stdout.write(`${JSON.stringify({ restored: records, refused, damages, ...result.details })}\n`);
  else {
    const what = options.to === 'kafka' ? 'records' : 'rows';
    say(
      `restored ${records} ${what}${refused === 0 ? '' : `; ${refused} records can be no row, as the pipelines judge (dead letters)`}${damages === 0 ? '' : `; ${damages} damages skipped`}`,
    );
  }
  if (damages > 0) return EXIT.discrepancy;
  return result.listed === 0 && !options.all ? EXIT.failed : EXIT.ok;
}

function say(line: string): void {
  process.stderr.write(`campaign-ledger: ${line}\n`);
}

function contextOf({ config, logger, clock }: CommandContext, options: RestoreOptions): RestoreContext {
  const place: ArchivePlace = {
    container: createContainer(config, { maxTries: READ_TRIES }),
    prefix: config.blob.prefix,
  };
  return {
    config,
    place,
    container: createContainer(config),
    logger,
    clock,
    signal: new AbortController().signal,
    skipDamaged: options.skipDamaged === true,
    rehydrate: options.rehydrate ?? null,
    say,
    onTopic: ({ topic, segments, records }) => {
      say(`${topic}: ${records} records in ${segments} segments`);
      return progressBar('records', records);
    },
  };
}

async function withClickHouse<T>(config: Config, use: (client: ClickHouseClient) => Promise<T>): Promise<T> {
  const client = createClickHouse(config);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

async function toClickHouse(
  { config, clock, logger }: CommandContext,
  context: RestoreContext,
  client: ClickHouseClient,
  { named, options }: { named: readonly string[]; options: RestoreOptions },
): Promise<Result> {
  const choice = choiceOf(options);
  const topics = chosenTopics(config, named, choice);
  const keepForMs = options.keepFor ?? DEFAULT_KEEP_FOR_MS;
  await requireTables(context);
  const { container, place } = context;
  const { prefix } = place;
  const onWait = (holder: string) => say(`waiting for retention to end (${holder})`);
  const days = await retryOutage(() => EventDays.read({ container, prefix, client, config, clock, onWait }), {
    retry: config.retry,
    logger,
    what: 'reading what was exported',
  });
  const route = holdingRoute(days, { clock, keepForMs });
  // What was brought back to be kept for an hour is not there for a day.
  const job = { to: 'clickhouse', topics: topics.map(({ topic }) => topic), choice, keepForMs };
  const loaded = await loadTopics(context, {
    topics,
    choice,
    client,
    job,
    // What retention may have let go again is not believed to be there.
    believedForMs: Math.min(keepForMs / 2, DAY_MS),
    route,
    beforeStore: async () => {},
  });
  if (route.held.size > 0) {
    const ends = [...route.held.values()];
    const first = new Date(Math.min(...ends)).toISOString();
    const last = new Date(Math.max(...ends)).toISOString();
    const until = first === last ? first : `${first}, the last of them until ${last}`;
    say(`${route.held.size} days that retention had let go stay until ${until}`);
  }
  return summed(loaded, { held_days: [...route.held.keys()].sort() });
}

async function all(
  context: CommandContext,
  running: RestoreContext,
  client: ClickHouseClient,
  options: RestoreOptions,
): Promise<Result> {
  await requireTables(running);
  const isKafkaThere = await assertNoneRun(context, { isForced: options.force === true, say });
  const { loaded, segments, partitions } = await restoreAll(running, { client, by: userInfo().username });
  const names: readonly PipelineName[] = ['tracking', 'profiles'];
  const { config, logger, signal } = running;
  // Hours after it was first asked, Kafka may be away for a while.
  if (isKafkaThere)
    for (const name of names)
      await retryOutage(() => readOnFromProgress(context, name, say), {
        retry: config.retry,
        logger,
        signal,
        what: `setting where ${name} goes on`,
      });
  say(`${segments} segments in archive_segments, ${partitions} partitions go on from where the archive ends`);
  return summed(loaded, { segments, partitions });
}

async function toKafka(
  { config }: CommandContext,
  context: RestoreContext,
  named: readonly string[],
  options: RestoreOptions,
): Promise<Result> {
  const choice = choiceOf(options);
  const [source] = chosenTopics(config, named, choice);
  if (source === undefined || options.as === undefined) throw new UsageError('name the topic');
  const admin = createAdmin(config);
  const target = await checkedTarget(
    { config, admin },
    { topic: options.as, intoSource: options.intoSource === true },
  ).finally(() => admin.close());
  const { records, damages, listed } = await sendTopic(context, { ...source, choice, target });
  return {
    records,
    refused: 0,
    damages,
    listed,
    empty: listed === 0 ? [source.topic] : [],
    details: { topic: target.topic },
  };
}

/** @throws {UsageError} they are not there */
async function requireTables({ config, logger, signal }: RestoreContext): Promise<void> {
  const { database } = config.clickhouse;
  const wanted = [
    'events',
    'campaigns',
    'profile_changes',
    'profile_versions',
    'progress',
    'archive_segments',
  ];
  // A client that is in a database which is not there would only hear that.
  const client = createClickHouse(config, { database: null });
  const query =
    'SELECT name FROM system.tables WHERE database = {database:String} AND has({wanted:Array(String)}, name)';
  try {
    const found = await retryOutage(() => selectRows<[string]>(client, query, { database, wanted }), {
      retry: config.retry,
      logger,
      signal,
      what: 'asking for the tables',
    });
    if (found.length === wanted.length) return;
  } finally {
    await client.close();
  }
  throw new UsageError(
    `the database ${database} has no tables of this release: run campaign-ledger migrate first, which makes them`,
  );
}

function summed(loaded: readonly Loaded[], details: Result['details']): Result {
  const sum = (of: (one: Loaded) => number) => loaded.reduce((total, one) => total + of(one), 0);
  return {
    records: sum(({ rows }) => rows),
    refused: sum(({ refused }) => refused),
    damages: sum(({ damages }) => damages),
    listed: sum(({ listed }) => listed),
    empty: loaded.filter(({ listed }) => listed === 0).map(({ topic }) => topic),
    details,
  };
}
