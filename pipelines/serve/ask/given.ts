/** The parameters of a request as they came, of a body or a query, and what each has to be. */
import { UsageError } from '../../common/errors.ts';
import { shortened } from '../../common/shortened.ts';
import { parseTimeArgument } from '../../report/time-argument.ts';
import { Problem } from '../problems.ts';

/** By name. */
export type Given = Readonly<Record<string, unknown>>;

/** Milliseconds since the epoch; null is open. */
export interface AskedRange {
  readonly from: number | null;
  readonly to: number | null;
}

const MOST_ID_BYTES = 1024;

export function invalid(parameter: string, why: string): Problem {
  return new Problem('invalid_request', `${parameter}: ${why}`, { parameter });
}

/**
 * A word that is not known is mostly a known one misspelt, and the report would be another than was meant.
 * @param of whose parameters they are
 */
export function assertKnown(given: Given, known: readonly string[], of = ''): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    throw invalid(shortened(name), `there is no such parameter${of}; there are ${known.join(', ')}`);
  }
}

/** Null where it is left out. */
export function textOf(given: Given, name: string): string | null {
  const value = given[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string')
    throw invalid(name, Array.isArray(value) ? 'is given more than once' : 'has to be text');
  return value;
}

/** An id of a tenant, a user or a campaign: any text, as producers may give any. */
export function idOf(given: Given, name: string): string | null {
  const id = textOf(given, name);
  if (id === null) return null;
  if (id === '') throw invalid(name, 'is empty');
  if (Buffer.byteLength(id) > MOST_ID_BYTES)
    throw invalid(name, `is longer than ${MOST_ID_BYTES} bytes, and no id is`);
  if (!id.isWellFormed()) throw invalid(name, 'is no well-formed Unicode');
  return id;
}

/** One of some words; the first where it is left out. */
export function choiceOf<Name extends string>(
  given: Given,
  name: string,
  choices: readonly [Name, ...Name[]],
): Name {
  const text = textOf(given, name);
  if (text === null) return choices[0];
  const chosen = choices.find((one) => one === text);
  if (chosen === undefined) throw invalid(name, `"${shortened(text)}" is not one of ${choices.join(', ')}`);
  return chosen;
}

export function timeOf(given: Given, name: string): number | null {
  const text = textOf(given, name);
  if (text === null) return null;
  return parsed(name, () => parseTimeArgument(name, shortened(text)));
}

export function rangeOf(given: Given): AskedRange {
  const [from, to] = [timeOf(given, 'from'), timeOf(given, 'to')];
  if (from !== null && to !== null && from > to)
    throw invalid('from', `is after to (${new Date(from).toISOString()}, ${new Date(to).toISOString()})`);
  return { from, to };
}

/** What the command line refuses is refused here, in the same words. */
export function parsed<T>(parameter: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new Problem('invalid_request', error.message, { parameter, cause: error });
  }
}
