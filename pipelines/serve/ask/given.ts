/** What a request asks for, checked: the same parameters in a body and in a query. */
import { UsageError } from '../common/errors.ts';
import type { RangeBy } from '../report/event-stage.ts';
import type { FormatName } from '../report/report-output.ts';
import { parseTimeArgument } from '../report/time-argument.ts';
import { FORMAT_NAMES, isFormat } from './formats.ts';
import { Problem } from './problems.ts';

/** One user's report. Times in milliseconds since the epoch. */
export interface UserReportAsk {
  readonly userId: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly by: RangeBy;
  readonly knownAt: number | null;
  readonly format: FormatName;
}

/** Parameters as they came: of a body or a query. */
export type Given = Readonly<Record<string, unknown>>;

const MOST_ID_BYTES = 1024;
/** Characters of a value that are repeated in an error. */
const MOST_SHOWN = 60;

const BY = ['send', 'interaction'] as const satisfies readonly RangeBy[];

export const RANGE_PARAMETERS = ['from', 'to', 'by', 'known_at', 'format'] as const;

export function invalid(parameter: string, why: string): Problem {
  return new Problem('invalid_request', `${parameter}: ${why}`, { parameter });
}

/** A word that is not known is mostly a known one misspelt, and the report would be another than was meant. */
export function assertKnown(given: Given, known: readonly string[]): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const shown = shorten(name);
    throw new Problem(
      'invalid_request',
      `${shown}: there is no such parameter; there are ${known.join(', ')}`,
      {
        parameter: shown,
      },
    );
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

/** An id of a tenant or a user: any text, as producers may give any. */
export function idOf(given: Given, name: string): string | null {
  const id = textOf(given, name);
  if (id === null) return null;
  if (id === '') throw invalid(name, 'is empty');
  if (Buffer.byteLength(id) > MOST_ID_BYTES)
    throw invalid(name, `is longer than ${MOST_ID_BYTES} bytes, and no id is`);
  if (!id.isWellFormed()) throw invalid(name, 'is no well-formed Unicode');
  return id;
}

/** @throws {Problem} invalid_request */
export function userReportAsk(given: Given): UserReportAsk {
  const userId = idOf(given, 'user_id');
  if (userId === null) throw invalid('user_id', 'say whose report it is to be');
  const [from, to, knownAt] = ['from', 'to', 'known_at'].map((name) => timeOf(given, name)) as [
    number | null,
    number | null,
    number | null,
  ];
  if (from !== null && to !== null && from > to)
    throw invalid('from', `is after to (${new Date(from).toISOString()}, ${new Date(to).toISOString()})`);
  const by = textOf(given, 'by') ?? 'send';
  if (!BY.some((one) => one === by)) throw invalid('by', `"${shorten(by)}" is not one of ${BY.join(', ')}`);
  const format = textOf(given, 'format') ?? 'json';
  if (!isFormat(format))
    throw invalid('format', `"${shorten(format)}" is not one of ${FORMAT_NAMES.join(', ')}`);
  return { userId, from, to, by: by as RangeBy, knownAt, format };
}

function timeOf(given: Given, name: string): number | null {
  const text = textOf(given, name);
  if (text === null) return null;
  try {
    return parseTimeArgument(name, shorten(text));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new Problem('invalid_request', error.message, { parameter: name, cause: error });
  }
}

function shorten(text: string): string {
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN).toWellFormed()}…` : text;
}
