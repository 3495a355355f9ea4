/** `dead-letters show` */
import type { CommandContext } from '../command-context.ts';
import { UsageError } from '../common/errors.ts';
import { createRegistryHttp } from '../common/registry/registry-http.ts';
import { WriterSchemas } from '../common/registry/writer-schemas.ts';
import { Corrections } from './corrected-record.ts';
import type { ShowOptions } from './dead-letters-command.ts';
import { describeLetter } from './describe-letter.ts';
import { chosenLetters, print, requireFound, withKafka } from './filter-options.ts';
import { type Letter, originId } from './letter.ts';
import { letterText } from './letter-text.ts';
import { lettersOf } from './letters.ts';
import { findReplay, type ReplayContext } from './replay-log.ts';

export async function show(context: CommandContext, named: string, options: ShowOptions): Promise<void> {
  const { config, clock } = context;
  const { schemaId, format } = options;
  await withKafka(context, async (kafka) => {
    const letter = await findLetter(context, kafka, named);
    const schemas = new WriterSchemas({ settings: config.schemaRegistry, clock });
    const registry = createRegistryHttp(config.schemaRegistry, { connections: 1 });
    try {
      const { topic } = letter.origin;
      const corrections = new Corrections({ config, clock, schemas, topic, schemaId });
      const replayed = await findReplay(kafka, letter);
      const isReaddressed = schemaId !== undefined;
      const described = await describeLetter(letter, { corrections, registry, replayed, isReaddressed });
      await print(format === 'json' ? `${JSON.stringify(described.description)}\n` : letterText(described));
    } finally {
      await Promise.all([schemas.close(), registry.close()]);
    }
  });
}

/** @throws {UsageError} there is none, or several: their topic was made anew under its name */
async function findLetter(context: CommandContext, kafka: ReplayContext, named: string): Promise<Letter> {
  const { topics, filter } = chosenLetters(context, {}, [named]);
  const found: Letter[] = [];
  for (const topic of topics) for await (const letter of lettersOf(kafka, topic, filter)) found.push(letter);
  const [letter, ...others] = found;
  if (letter === undefined) {
    requireFound(filter.addresses, new Set());
    throw new UsageError(`there is no dead letter ${named}`);
  }
  if (others.length > 0)
    throw new UsageError(
      `${named} names ${found.length} letters, since the topic was made anew; say which: ${found.map(({ origin }) => originId(origin)).join(', ')}`,
    );
  return letter;
}
