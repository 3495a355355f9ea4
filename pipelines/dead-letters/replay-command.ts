/** `dead-letters replay` */
import { userInfo } from 'node:os';
import { type CommandContext, EXIT, type ExitCode } from '../command-context.ts';
import { UsageError } from '../common/errors.ts';
import { WriterSchemas } from '../common/registry/writer-schemas.ts';
import type { ReplayCommandOptions } from './dead-letters-command.ts';
import { chosenLetters, print, requireFound, withKafka } from './filter-options.ts';
import type { LetterAddress } from './letter-address.ts';
import { outcomeLine, outcomeObject } from './list-text.ts';
import { readMapping } from './mapping/mapping-file.ts';
import { type ReplayOptions, type ReplayOutcome, replayLetters } from './replay.ts';

/** What the log keeps of them, in characters. */
const MAX_NAME_LENGTH = 200;
const MAX_REASON_LENGTH = 2_000;

export async function replay(
  context: CommandContext,
  named: readonly string[],
  options: ReplayCommandOptions,
): Promise<ExitCode> {
  const { config, clock } = context;
  const { topics, filter } = chosenLetters(context, options, named);
  requireChoice(named, options);
  const isDryRun = options.dryRun === true;
  const mapping = options.mapping === undefined ? undefined : await readMapping(options.mapping, config);
  const schemas = new WriterSchemas({ settings: config.schemaRegistry, clock });
  const how: ReplayOptions = {
    config,
    clock,
    schemas,
    filter,
    mapping,
    schemaId: options.schemaId,
    by: bounded(options.by ?? userInfo().username, { option: '--by', most: MAX_NAME_LENGTH }),
    reason:
      options.reason === undefined
        ? undefined
        : bounded(options.reason, { option: '--reason', most: MAX_REASON_LENGTH }),
    isDryRun,
    isForced: options.force === true,
  };
  const counts = { replayed: 0, skipped: 0, refused: 0 };
  const found = new Set<LetterAddress>();
  try {
    await withKafka(context, async (kafka) => {
      for (const topic of topics) {
        for await (const outcome of replayLetters(kafka, topic, how)) {
          counts[outcome.outcome] += 1;
          for (const address of filter.addresses ?? []) if (address.names(outcome.letter)) found.add(address);
          await print(lineOf(outcome, options.format, isDryRun));
        }
      }
    });
  } finally {
    await schemas.close();
  }
  const { replayed, skipped, refused } = counts;
  process.stderr.write(
    `dead-letters replay: ${replayed} ${isDryRun ? 'would be replayed' : 'replayed'}, ${skipped} skipped (replayed before), ${refused} ${isDryRun ? 'would be refused' : 'refused'}\n`,
  );
  requireFound(filter.addresses, found);
  return refused > 0 ? EXIT.discrepancy : EXIT.ok;
}

function lineOf(outcome: ReplayOutcome, format: ReplayCommandOptions['format'], isDryRun: boolean): string {
  const line =
    format === 'json'
      ? JSON.stringify(outcomeObject(outcome, { isDryRun }))
      : outcomeLine(outcome, { isDryRun });
  return `${line}\n`;
}

/** Everything that was ever refused is never what somebody means who names nothing. */
function requireChoice(
  named: readonly string[],
  { topic, code, partition, from, to }: ReplayCommandOptions,
): void {
  if (named.length > 0 || [topic, code, partition, from, to].some((option) => option !== undefined)) return;
  throw new UsageError(
    'say which letters: name them, or choose them by --topic, --code, --partition, --from and --to',
  );
}

function bounded(text: string, { option, most }: { option: string; most: number }): string {
  if (text.trim() === '') throw new UsageError(`${option} must not be empty`);
  if (text.length > most) throw new UsageError(`${option} must have at most ${most} characters`);
  return text;
}
