/** `dead-letters list` */
import type { CommandContext } from '../command-context.ts';
import { countObject, countsTable, LetterCounts } from './count-letters.ts';
import type { ListOptions } from './dead-letters-command.ts';
import { type ChosenLetters, chosenLetters, print, withKafka } from './filter-options.ts';
import { lettersOf } from './letters.ts';
import { LIST_HEAD, type ListedLetter, listLine, listObject } from './list-text.ts';
import { type ReplayContext, readReplays } from './replay-log.ts';

export async function list(context: CommandContext, options: ListOptions): Promise<void> {
  const { count, limit = Number.POSITIVE_INFINITY, format } = options;
  const chosen = chosenLetters(context, options);
  await withKafka(context, async (kafka) => {
    if (count === true) return printCounts(kafka, chosen, format);
    if (format === 'text') await print(`${LIST_HEAD}\n`);
    let printed = 0;
    for await (const listed of listedLetters(kafka, chosen)) {
      if (printed >= limit) return;
      printed += 1;
      await print(`${format === 'json' ? JSON.stringify(listObject(listed)) : listLine(listed)}\n`);
    }
  });
}

async function* listedLetters(
  kafka: ReplayContext,
  { topics, filter }: ChosenLetters,
): AsyncGenerator<ListedLetter> {
  for (const topic of topics) {
    const replays = await readReplays(kafka, topic, { isRequired: false });
    for await (const letter of lettersOf(kafka, topic, filter))
      yield { letter, replayedAtMs: replays.timeOf(letter.origin) };
  }
}

async function printCounts(
  kafka: ReplayContext,
  chosen: ChosenLetters,
  format: ListOptions['format'],
): Promise<void> {
  const counts = new LetterCounts();
  for await (const listed of listedLetters(kafka, chosen)) counts.add(listed);
  if (format === 'text') return print(`${countsTable(counts.sorted)}\n`);
  for (const count of counts.sorted) await print(`${JSON.stringify(countObject(count))}\n`);
}
