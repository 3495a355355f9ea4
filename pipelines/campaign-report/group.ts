/** Groups of recipients by the value that an attribute has in their profiles. Pure. */
import { hash } from 'node:crypto';
import { canonicalJson, isJsonObject, type JsonValue, RawNumber } from '../profiles/fold/json-value.ts';
import { unquoted } from './quoted-json.ts';

/** What a profile, or its lack, says of an attribute: `others` stands for all groups beyond the limit. */
export type GroupStatus = 'found' | 'none_yet' | 'deleted' | 'others';

export type ValueType = 'absent' | 'null' | 'string' | 'number' | 'boolean' | 'array' | 'object';

export interface Group {
  readonly status: GroupStatus;
  /** Null unless found. `absent`: there is a profile, and the attribute is not in it. */
  readonly type: ValueType | null;
  /**
   * Of a string itself, of everything else its canonical JSON text; null when there is none. Of a longer one the first
   * `MOST_VALUE` characters and its hash, as a report repeats it many times.
   */
  readonly value: string | null;
}

/** Characters of a value. */
const MOST_VALUE = 1_000;
/** Hex digits of its SHA-256, so that two with one beginning are told apart. */
const HASH_DIGITS = 16;

/**
 * One text for each group in ClickHouse: nothing for no profile yet, as a join leaves it; the value in quoted JSON
 * (see quoted-json.ts) behind a `v`.
 */
export const GROUP_KEYS = { noneYet: '', deleted: 'd', absent: 'a', value: 'v', others: 'o' } as const;

export const OTHERS: Group = { status: 'others', type: null, value: null };

export function groupOf(key: string): Group {
  switch (key) {
    case GROUP_KEYS.noneYet:
      return { status: 'none_yet', type: null, value: null };
    case GROUP_KEYS.deleted:
      return { status: 'deleted', type: null, value: null };
    case GROUP_KEYS.others:
      return OTHERS;
    case GROUP_KEYS.absent:
      return { status: 'found', type: 'absent', value: null };
    default:
      return { status: 'found', ...typedValue(unquoted(key.slice(GROUP_KEYS.value.length))) };
  }
}

function typedValue(value: JsonValue): Pick<Group, 'type' | 'value'> {
  if (value === null) return { type: 'null', value: null };
  if (typeof value === 'string') return { type: 'string', value: cut(value) };
  const text = canonicalJson(value);
  if (typeof value === 'boolean') return { type: 'boolean', value: text };
  if (typeof value === 'number' || value instanceof RawNumber) return { type: 'number', value: cut(text) };
  return { type: isJsonObject(value) ? 'object' : 'array', value: cut(text) };
}

function cut(text: string): string {
  if (text.length <= MOST_VALUE) return text;
  return `${text.slice(0, MOST_VALUE).toWellFormed()}… (SHA-256 ${hash('sha256', text).slice(0, HASH_DIGITS)}…)`;
}

/** For people: a text stands in quotes, so that none looks like a number, or like what is said in brackets. */
export function groupLabel({ status, type, value }: Group): string {
  if (status === 'none_yet') return '(no profile yet)';
  if (status === 'deleted') return '(profile deleted)';
  if (status === 'others') return '(others)';
  if (type === 'absent') return '(absent)';
  if (type === 'string') return JSON.stringify(value);
  return value ?? 'null';
}
