/** The options that choose letters, from what was typed to what is looked for. */
import { InvalidArgumentError } from 'commander';
import { closest } from '../../config/closest.ts';
import { topicNames } from '../../config/topics.ts';
import type { CommandContext } from '../command-context.ts';
import { DEAD_LETTER_CODES } from '../common/dead-letters/codes.ts';
import { UsageError } from '../common/errors.ts';
import { createAdmin } from '../common/kafka/admin.ts';
import { parseTimeArgument } from '../report/time-argument.ts';
import { type LetterAddress, parseAddress, sourceTopic } from './letter-address.ts';
import type { LetterFilter } from './letters.ts';
import type { ReplayContext } from './replay-log.ts';

export const FORMATS = ['text', 'json'] as const;

export interface FilterOptions {
  readonly topic?: readonly string[];
  readonly code?: readonly string[];
  readonly partition?: number;
  readonly from?: string;
  readonly to?: string;
}

export interface ChosenLetters {
  /** Source topics to look through. */
  readonly topics: readonly string[];
  readonly filter: LetterFilter;
}

/** @param named addresses of letters, as they were typed @throws {UsageError} */
export function chosenLetters(
  { config }: CommandContext,
  { topic, code, partition, from, to }: FilterOptions,
  named: readonly string[] = [],
): ChosenLetters {
  const addresses = named.map((text) => parseAddress(config, text));
  for (const one of code ?? []) requireCode(one);
  const filter: LetterFilter = {
    codes: code === undefined ? undefined : new Set(code),
    partition,
    fromMs: from === undefined ? undefined : parseTimeArgument('--from', from),
    toMs: to === undefined ? undefined : parseTimeArgument('--to', to),
    addresses: addresses.length === 0 ? undefined : addresses,
  };
  const asked = topic?.map((name) => sourceTopic(config, name)) ?? Object.values(topicNames(config));
  return { topics: [...new Set(asked)].filter((name) => mayHold(name, addresses)), filter };
}

/** Says which of the named letters were not among those found. @throws {UsageError} when there are any */
export function requireFound(
  addresses: readonly LetterAddress[] | undefined,
  found: ReadonlySet<LetterAddress>,
): void {
  const missing = (addresses ?? []).filter((address) => !found.has(address)).map(({ text }) => text);
  if (missing.length === 0) return;
  throw new UsageError(
    `there is no dead letter ${missing.join(', ')}${missing.length === 1 ? '' : ' (none of these)'}; campaign-ledger dead-letters list shows those there are`,
  );
}

/** What goes over letters needs a connection of its own. */
export async function withKafka<T>(
  { config, logger }: CommandContext,
  use: (context: ReplayContext) => Promise<T>,
): Promise<T> {
  const admin = createAdmin(config);
  try {
    return await use({ config, logger, admin, name: 'dead-letters' });
  } finally {
    admin.close();
  }
}

export async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve));
}

/** For commander: an option that may come several times. */
export function repeated(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** For commander: a number without a sign. */
export function whole(value: string): number {
  if (!/^\d{1,10}$/.test(value)) throw new InvalidArgumentError('must be a whole number.');
  return Number(value);
}

function mayHold(topic: string, addresses: readonly LetterAddress[]): boolean {
  return (
    addresses.length === 0 || addresses.some((address) => address.topic === null || address.topic === topic)
  );
}

function requireCode(code: string): void {
  const codes = Object.keys(DEAD_LETTER_CODES);
  if (codes.includes(code)) return;
  const meant = closest(code, codes);
  throw new UsageError(
    `--code: there is no code '${code}'${meant === null ? `; there are ${codes.join(', ')}` : `; did you mean ${meant}?`}`,
  );
}
