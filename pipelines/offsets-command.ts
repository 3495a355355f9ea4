/** `offsets`: where each pipeline stands in each partition, and what to do about one that has stopped. */
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { type CommandContext, EXIT, type ExitCode, withConfig } from './command-context.ts';
import { UsageError } from './common/errors.ts';
import type { OffsetsContext, PartitionOffsets } from './common/runner/offsets.ts';
import { PIPELINE_FACTORIES, PIPELINE_NAMES, pipelineName } from './factories.ts';

interface Target {
  readonly topic: string;
  readonly partition: string;
}

interface GapOptions extends Target {
  readonly first: string;
  readonly last: string;
  readonly reason: string;
}

export function registerOffsetsCommand(program: Command): void {
  const offsets = program
    .command('offsets')
    .description('where the pipelines stand, and what to do about a stop');
  offsets
    .command('list')
    .description('print every partition: what the sink needs next, what is committed, what Kafka has')
    .argument('[pipelines...]', 'which of them; all when none is named')
    .option('--json', 'one JSON object a line')
    .action(withConfig(list));
  offsets
    .command('read-again')
    .description('set a committed offset that is ahead of the sink back to where the sink stands')
    .argument('<pipeline>')
    .requiredOption('--topic <name>')
    .requiredOption('--partition <number>')
    .action(withConfig(readAgain));
  offsets
    .command('accept-gap')
    .description('record that offsets will never come, and go on after them')
    .argument('<pipeline>')
    .requiredOption('--topic <name>')
    .requiredOption('--partition <number>')
    .requiredOption('--first <offset>', 'as the alarm names it')
    .requiredOption('--last <offset>', 'as the alarm names it')
    .requiredOption('--reason <text>', 'kept with the gap, with your name and the time')
    .action(withConfig(acceptGap));
}

/** 3 when a partition cannot be read on. */
async function list(context: CommandContext, names: string[], { json }: { json?: true }): Promise<ExitCode> {
  const chosen = names.length === 0 ? PIPELINE_NAMES : names;
  let isStopped = false;
  const rows: (PartitionOffsets & { pipeline: string })[] = [];
  for (const name of chosen) {
    const { readOffsets } = await import('./common/runner/offsets.ts');
    for (const offsets of await withPipeline(context, name, readOffsets)) {
      rows.push({ pipeline: name, ...offsets });
      isStopped ||= offsets.decision.kind === 'stop';
    }
  }
  if (json === true) for (const row of rows) process.stdout.write(`${JSON.stringify(asJson(row))}\n`);
  else process.stdout.write(`${await asTable(rows)}\n`);
  return isStopped ? EXIT.discrepancy : EXIT.ok;
}

async function readAgain(context: CommandContext, name: string, target: Target): Promise<void> {
  const offsets = await import('./common/runner/offsets.ts');
  const at = { topic: target.topic, partition: whole(target.partition, '--partition') };
  const next = await withPipeline(context, name, (one) => offsets.readAgain(one, at));
  process.stdout.write(`${name} reads ${at.topic}/${at.partition} again from offset ${next}\n`);
}

async function acceptGap(context: CommandContext, name: string, options: GapOptions): Promise<void> {
  const offsets = await import('./common/runner/offsets.ts');
  const at = { topic: options.topic, partition: whole(options.partition, '--partition') };
  const first = whole(options.first, '--first');
  const last = whole(options.last, '--last');
  if (options.reason.trim() === '')
    throw new UsageError('--reason must say why: it is all that later readers have');
  const gap = { first, last, by: userInfo().username, reason: options.reason, at: context.clock.now() };
  await withPipeline(context, name, (one) => offsets.acceptGap(one, at, gap));
  process.stdout.write(`${name} goes on after offsets ${first} to ${last} of ${at.topic}/${at.partition}\n`);
}

/** The pipeline is made for its sink; nothing runs. */
export async function withPipeline<T>(
  { config, logger, clock }: CommandContext,
  name: string,
  use: (context: OffsetsContext) => Promise<T>,
): Promise<T> {
  const [{ createAdmin }, { createMetrics }] = await Promise.all([
    import('./common/kafka/admin.ts'),
    import('./common/metrics.ts'),
  ]);
  const create = await PIPELINE_FACTORIES[pipelineName(name)]();
  const { signal } = new AbortController();
  const pipeline = await create({ config, logger, clock, metrics: createMetrics(), signal });
  const admin = createAdmin(config);
  try {
    return await use({ config, admin, pipeline, logger });
  } finally {
    admin.close();
    await pipeline.sink.close();
  }
}

function whole(text: string, option: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${option} must be a whole number, not '${text}'`);
  return Number(text);
}

type Row = PartitionOffsets & { readonly pipeline: string };

function asJson({ pipeline, source, sink, committed, low, end, decision }: Row): Record<string, unknown> {
  return {
    pipeline,
    topic: source.topic,
    topic_id: source.topicId,
    partition: source.partition,
    next: sink.next,
    intent: sink.intent,
    committed: committed?.offset ?? null,
    low,
    end,
    stopped: decision.kind === 'stop' ? { code: decision.code, missing: decision.missing } : null,
  };
}

async function asTable(rows: readonly Row[]): Promise<string> {
  const { textTable } = await import('./common/text-table.ts');
  const number = (head: string) => ({ head, align: 'right' as const });
  return textTable(
    [
      { head: 'pipeline' },
      { head: 'topic' },
      number('partition'),
      number('sink needs'),
      number('committed'),
      number('Kafka from'),
      number('to'),
      { head: '' },
    ],
    rows.map(({ pipeline, source, sink, committed, low, end, decision }) => [
      pipeline,
      source.topic,
      String(source.partition),
      sink.next === null ? '-' : String(sink.next),
      committed === null ? '-' : String(committed.offset),
      String(low),
      String(end),
      decision.kind === 'stop' ? `stopped: ${decision.code}` : '',
    ]),
  );
}
