/** `verify`: nothing lost, nothing twice, as anybody can check at any time. */
import { type Command, Option } from 'commander';
import type { Config } from '../../config/schema.ts';
import { type TopicRole, topicNames } from '../../config/topics.ts';
import { type CommandContext, type ExitCode, withConfig } from '../command-context.ts';
import { UsageError } from '../common/errors.ts';
import { parseTimeArgument } from '../report/time-argument.ts';
import type { OffsetsAsked, Scope } from './scope.ts';
import type { VerifyQuestion } from './verify.ts';

interface VerifyOptions {
  readonly topic?: readonly string[];
  readonly offsets?: readonly string[];
  readonly from?: string;
  readonly to?: string;
  readonly deep?: true;
  readonly format: 'text' | 'json';
  readonly every?: string;
  readonly metricsFile?: string;
}

const several = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export function registerVerifyCommand(program: Command): void {
  program
    .command('verify')
    .description('hold Kafka, archive, ClickHouse and dead letters against one another')
    .option('--topic <name>', 'only this topic; may be given several times', several)
    .option(
      '--offsets <range>',
      'only these, as topic/partition:first-last; may be given several times',
      several,
    )
    .option(
      '--from <time>',
      'only batches with a record that Kafka got at or after this time (a day in UTC, or an instant with its zone)',
    )
    .option('--to <time>', 'only batches with a record that Kafka got before this time')
    .option('--deep', 'read every record; without it, names, metadata and counts')
    .addOption(new Option('--format <format>', 'how to print it').choices(['text', 'json']).default('text'))
    .option('--every <time>', 'check again and again, so long apart (90s, 30m, 6h, 1d), and serve /metrics')
    .option(
      '--metrics-file <file>',
      "write the metrics to this file as well, for node exporter's textfile collector",
    )
    .action(withConfig(run));
}

async function run(context: CommandContext, options: VerifyOptions): Promise<ExitCode> {
  const question = questionOf(context.config, options);
  const everyMs = options.every === undefined ? null : duration(options.every);
  const { runVerify } = await import('./run-verify.ts');
  return runVerify(context, {
    question,
    everyMs,
    metricsFile: options.metricsFile ?? null,
    print: async (verdict) => {
      const text =
        options.format === 'json'
          ? `${JSON.stringify((await import('./verdict-json.ts')).verdictJson(verdict))}\n`
          : (await import('./verdict-text.ts')).verdictText(verdict);
      if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve));
    },
  });
}

function questionOf(config: Config, options: VerifyOptions): VerifyQuestion {
  const { topic: topics = [], offsets = [], from, to, deep } = options;
  const roleOf = (option: string, name: string): TopicRole => {
    const names = Object.entries(topicNames(config)) as [TopicRole, string][];
    const role = names.find(([, known]) => known === name)?.[0];
    if (role !== undefined) return role;
    throw new UsageError(
      `${option}: there is no topic ${name}; it is one of ${names.map(([, known]) => known).join(', ')}`,
    );
  };
  const asked = offsets.map(parseOffsets);
  const scope: Scope = {
    offsets: asked,
    time: {
      from: from === undefined ? null : parseTimeArgument('--from', from),
      to: to === undefined ? null : parseTimeArgument('--to', to),
    },
  };
  if (scope.time.from !== null && scope.time.to !== null && scope.time.from >= scope.time.to)
    throw new UsageError(`--from ${from} is not before --to ${to}`);
  const named = new Set([
    ...topics.map((name) => roleOf('--topic', name)),
    ...(topics.length > 0 ? [] : asked.map(({ topic }) => roleOf('--offsets', topic))),
  ]);
  for (const { topic } of asked) {
    if (!named.has(roleOf('--offsets', topic)))
      throw new UsageError(`--offsets: ${topic} is not among the topics that --topic names`);
  }
  const all = Object.keys(topicNames(config)) as TopicRole[];
  const roles = named.size === 0 ? all : all.filter((role) => named.has(role));
  return { roles, scope, isDeep: deep === true };
}

function parseOffsets(text: string): OffsetsAsked {
  const [, topic = '', partition, first, last] = /^(.+)\/(\d{1,9}):(\d{1,15})-(\d{1,15})$/.exec(text) ?? [];
  const range = { topic, partition: Number(partition), first: Number(first), last: Number(last) };
  if (range.first <= range.last) return range;
  throw new UsageError(`--offsets: "${text}" is no range; give it as topic/partition:first-last`);
}

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
/** A timer holds no more than 2^31 milliseconds. */
const LONGEST_MS = 24 * UNITS.d;

/** @returns milliseconds */
function duration(text: string): number {
  const [, amount, unit] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  const milliseconds = Number(amount) * (UNITS[unit as keyof typeof UNITS] ?? Number.NaN);
  if (milliseconds <= LONGEST_MS) return milliseconds;
  throw new UsageError(`--every: "${text}" is no length of time; give it as 90s, 30m, 6h or 1d, 24d at most`);
}
