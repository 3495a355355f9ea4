/** `archive restore`: its options as commander knows them, and what they mean. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { closest } from '../../config/closest.ts';
import type { Config } from '../../config/schema.ts';
import { type TopicRole, topicNames } from '../../config/topics.ts';
import type { Priority } from '../archive/tiers/rehydrate.ts';
import { type TimeOptions, timeSpans } from '../archive/time-spans.ts';
import { withConfig } from '../command-context.ts';
import type { OffsetRange } from '../common/batch.ts';
import { UsageError } from '../common/errors.ts';
import { DAY_MS } from '../retention/days.ts';
import { LEDGER_TABLES } from '../verify/ledger-table.ts';
import { type Choice, canHold } from './choice.ts';

export interface RestoreOptions extends TimeOptions {
  readonly to: 'clickhouse' | 'kafka';
  readonly all?: true;
  readonly partition?: number;
  readonly topicId?: string;
  readonly first?: number;
  readonly last?: number;
  readonly tenant?: string;
  readonly user?: string;
  readonly campaign?: string;
  /** Milliseconds. */
  readonly keepFor?: number;
  readonly as?: string;
  readonly intoSource?: true;
  readonly skipDamaged?: true;
  readonly rehydrate?: Priority;
  readonly force?: true;
  readonly json?: true;
}

export const DEFAULT_KEEP_FOR_MS = 7 * DAY_MS;
const MOST_KEEP_FOR_DAYS = 3_650;

export function withTimeOptions(command: Command): Command {
  return command
    .option('--from <time>', "records from this time on, by Kafka's timestamp: a day or an instant")
    .option('--until <time>', 'records before this time')
    .option('--event-from <time>', 'the same by the time of the event, change or definition')
    .option('--event-until <time>', 'before this time of the event');
}

export function registerRestoreCommand(archive: Command): void {
  const command = archive
    .command('restore')
    .description('load a range of the archive, or all of it, back into ClickHouse or into a Kafka topic')
    .argument('[topics...]', 'topics; all that have what is asked for when none is named')
    .addOption(new Option('--to <where>', 'where to').choices(['clickhouse', 'kafka']).makeOptionMandatory())
    .addOption(
      new Option(
        '--all',
        'ClickHouse lost altogether: fill migrated tables from the archive alone, and set the pipelines to its end',
      ).implies({ to: 'clickhouse' }),
    );
  withTimeOptions(command)
    .option('--partition <number>', 'of this partition only', whole)
    .option('--topic-id <id>', 'of a topic that was deleted and made anew, only the one with this id')
    .option('--first <offset>', 'from this offset on; needs one topic and --partition', whole)
    .option('--last <offset>', 'up to this offset, with it', whole)
    .option('--tenant <id>', "of this tenant; what is no row is nobody's")
    .option('--user <id>', 'of this user; needs --tenant')
    .option('--campaign <id>', 'of this campaign; needs --tenant')
    .option(
      '--keep-for <duration>',
      'days that retention has let go stay in ClickHouse for so long, 12h or 30d (default: 7d)',
      duration,
    )
    .option('--as <topic>', 'the topic that Kafka gets the records in')
    .option('--into-source', 'let --as name a topic that the pipelines read')
    .option('--skip-damaged', 'restore what there is where segments are missing or damaged; exits 3 then')
    .addOption(
      new Option(
        '--rehydrate [priority]',
        'have segments in the archive tier brought back (standard or high), and say when to come again',
      )
        .choices(['standard', 'high'])
        .preset('standard'),
    )
    .option('--force', 'with --all: while pipelines run, or Kafka cannot be asked whether they do')
    .option('--json', 'the result as one JSON object')
    .action(
      withConfig(async (context, topics: string[], options: RestoreOptions) => {
        const { restore } = await import('./restore-command.ts');
        return restore(context, topics, options);
      }),
    );
}

/** @throws {UsageError} options that do not go together, or that leave out what must be said */
export function checkOptions(topics: readonly string[], options: RestoreOptions): void {
  const { to, all, as, intoSource, keepFor, force, user, campaign, tenant } = options;
  const refuse = (reason: string): never => {
    throw new UsageError(reason);
  };
  if (all) {
    if (to !== 'clickhouse') refuse('--all is for ClickHouse; name the topic that Kafka is to get back');
    if (topics.length > 0 || chooses(options))
      refuse('--all restores everything: leave out topics and what chooses among them');
    if (keepFor !== undefined) refuse('--keep-for: --all brings back no days that retention has let go');
  } else {
    if (force) refuse('--force goes with --all');
    if (topics.length === 0 && !chooses(options))
      refuse(
        'say what: name topics, choose by time, offsets, tenant, user or campaign, or say --all for everything',
      );
  }
  if (to === 'kafka') {
    if (as === undefined) refuse('--to kafka needs --as <topic>: the topic that gets the records');
    if (topics.length !== 1) refuse('--to kafka restores one topic at a time: name it');
    if (keepFor !== undefined)
      refuse('--keep-for is for ClickHouse; in Kafka the retention.ms of the topic decides');
  } else if (as !== undefined || intoSource) refuse('--as and --into-source go with --to kafka');
  if ((user !== undefined || campaign !== undefined) && tenant === undefined)
    refuse('--user and --campaign need --tenant: ids are unique within a tenant only');
  if (offsetRange(options) !== null && (topics.length !== 1 || options.partition === undefined))
    refuse('--first and --last need one topic and --partition: every partition counts its own offsets');
}

/** @throws {UsageError} */
export function choiceOf(options: RestoreOptions): Choice {
  const { partition = null, topicId = null, tenant = null, user = null, campaign = null } = options;
  if (topicId !== null && !/^[0-9a-f]{32}$/.test(topicId))
    throw new UsageError(
      `--topic-id: '${topicId}' is not 32 hex digits; archive list shows them at the end of the names`,
    );
  return {
    ...timeSpans(options),
    partition,
    topicId,
    offsets: offsetRange(options),
    rows: { tenant, user, campaign },
  };
}

/**
 * The topics that have what is asked for: a definition has no user, a change of a profile belongs to no campaign.
 * @throws {UsageError} a name that no topic has, or none that has what is asked for
 */
export function chosenTopics(
  config: Config,
  named: readonly string[],
  choice: Choice,
): { readonly role: TopicRole; readonly topic: string }[] {
  const chosen = namedTopics(config, named);
  const able = chosen.filter(({ role }) => canHold(choice, LEDGER_TABLES[role].spec));
  if (able.length > 0) return able;
  const what = choice.rows.campaign === null ? '--user' : '--campaign';
  throw new UsageError(`${what}: the records of ${chosen.map(({ topic }) => topic).join(', ')} have none`);
}

function namedTopics(
  config: Config,
  named: readonly string[],
): { readonly role: TopicRole; readonly topic: string }[] {
  const all = Object.entries(topicNames(config)).map(([role, topic]) => ({ role: role as TopicRole, topic }));
  if (named.length === 0) return all;
  return [...new Set(named)].map((name) => {
    const found = all.find(({ topic }) => topic === name);
    if (found !== undefined) return found;
    const names = all.map(({ topic }) => topic);
    const meant = closest(name, names);
    throw new UsageError(
      `there is no topic '${name}' in the ledger${meant === null ? `; there are ${names.join(', ')}` : `; did you mean ${meant}?`}`,
    );
  });
}

function chooses(options: RestoreOptions): boolean {
  const { from, until, eventFrom, eventUntil, partition, topicId, first, last, tenant, user, campaign } =
    options;
  return [from, until, eventFrom, eventUntil, partition, topicId, first, last, tenant, user, campaign].some(
    (option) => option !== undefined,
  );
}

/** @throws {UsageError} */
function offsetRange({ first, last }: RestoreOptions): OffsetRange | null {
  if (first === undefined && last === undefined) return null;
  const range = { first: first ?? 0, last: last ?? Number.MAX_SAFE_INTEGER };
  if (range.first <= range.last) return range;
  throw new UsageError(`--first ${range.first} is behind --last ${range.last}`);
}

function whole(value: string): number {
  if (!/^\d{1,15}$/.test(value)) throw new InvalidArgumentError('must be a whole number.');
  return Number(value);
}

/** Milliseconds. */
function duration(value: string): number {
  const match = /^([1-9]\d{0,4})([hd])$/.exec(value);
  if (match === null) throw new InvalidArgumentError('must be hours or days, for example 12h or 30d.');
  const milliseconds = Number(match[1]) * (match[2] === 'd' ? DAY_MS : DAY_MS / 24);
  if (milliseconds > MOST_KEEP_FOR_DAYS * DAY_MS)
    throw new InvalidArgumentError(`must be at most ${MOST_KEEP_FOR_DAYS}d.`);
  return milliseconds;
}
