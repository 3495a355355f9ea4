/** A letter's description, for people. */

import { printable } from '../common/printable.ts';
import type { Plain } from './avro-value.ts';
import type { DescribedLetter, FieldDescription, LetterDescription } from './describe-letter.ts';
import { hexDump } from './hex-dump.ts';

/** Characters of a value that are shown; the JSON format has all of them. */
const SHOWN_CHARACTERS = 300;

export function letterText({ description, value }: DescribedLetter): string {
  const { fields, undecodable, points_at: pointer } = description;
  const parts = [pairs(facts(description))];
  if (fields.length > 0) parts.push(pairs(fields.map(fieldRow)));
  if (undecodable !== null) {
    const { field, byte, detail } = undecodable;
    parts.push(
      printable(`decoding ends at ${field === null ? '' : `field ${field}, `}byte ${byte}: ${detail}`),
    );
  }
  if (value !== null && pointer !== null) {
    const field = pointer.field === null ? '' : `field ${pointer.field}, `;
    parts.push(`${field}byte ${pointer.byte} of ${value.length}:\n${hexDump(value, { at: pointer.byte })}`);
  } else if (value !== null && fields.length === 0) parts.push(hexDump(value, { at: 0 }));
  return `${parts.join('\n\n')}\n`;
}

function fieldRow({ name, value, time }: FieldDescription): readonly [string, string] {
  return [`  ${name}`, time === null ? shown(value) : `${shown(value)}  ${time}`];
}

function facts(letter: LetterDescription): (readonly [string, string])[] {
  const { dead_letter: place, replayed, cut, schema } = letter;
  return [
    ['letter', letter.letter],
    ['topic id', letter.topic_id],
    ['stands at', `${place.topic}/${place.partition}:${place.offset}`],
    ['found at', letter.found_at ?? 'unknown'],
    ['code', letter.code],
    ['reason', letter.reason],
    ['meaning', letter.meaning ?? 'this release does not know the code'],
    ...(letter.remedy === null ? [] : [['remedy', letter.remedy] as const]),
    ['now', letter.now === null ? 'would be stored' : `${letter.now.code}: ${letter.now.reason}`],
    ...(letter.replay_of === null ? [] : [['replay of', letter.replay_of] as const]),
    ['replayed', replayed === null ? 'no' : replayText(replayed)],
    ['key', shown(letter.key)],
    ...letter.headers.map(({ name, value }) => [`header ${name}`, shown(value)] as const),
    ['schema', schema === null ? 'none: the value is not framed' : schemaText(schema)],
    ['value', letter.bytes === null ? 'none' : `${letter.bytes} bytes`],
    ...(cut === null ? [] : [['cut', cutText(cut)] as const]),
  ];
}

function replayText({ at, by, reason }: NonNullable<LetterDescription['replayed']>): string {
  return `${at} by ${by}${reason === null ? '' : `: ${reason}`}`;
}

function schemaText({ id, registered, is_known: isKnown }: NonNullable<LetterDescription['schema']>): string {
  if (!isKnown) return `${id}, not a schema of records that the registry has`;
  return registered.length === 0 ? String(id) : `${id}, ${registered.join(', ')}`;
}

function cutText({ bytes, is_whole: isWhole }: NonNullable<LetterDescription['cut']>): string {
  return isWhole
    ? 'in the letter; the whole value is shown, from the archive'
    : `from ${bytes} bytes; the archive does not give the rest, see now`;
}

function shown(plain: Plain): string {
  const text = JSON.stringify(plain);
  return text.length > SHOWN_CHARACTERS
    ? `${text.slice(0, SHOWN_CHARACTERS).toWellFormed()}… (${text.length} characters)`
    : text;
}

function pairs(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${printable(text)}`).join('\n');
}
