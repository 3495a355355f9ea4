/** What is wrong with a configuration, said so that a person can put it right: where, what was found, what to do. */
import type { z } from 'zod';
import { MASK, withoutLogins, withoutSignatures } from '../pipelines/common/redaction.ts';
import { closest } from './closest.ts';
import type { ConfigKey } from './keys.ts';
import { isTree, type Tree, valueAt } from './tree.ts';

export interface Fault {
  /** The key (`kafka.brokers`), the environment variable or the file that the fault is in. */
  readonly path: string;
  readonly message: string;
  /** What was found there; left out where there was nothing, and always where a secret may be the whole of it. */
  readonly value?: unknown;
}

/** `kafka.sessionTimeoutMs: must be less than … (found 400000)`, one line, without what could be a login. */
export function formatFault({ path, message, value }: Fault): string {
  const fault = withoutSignatures(`${path}: ${message}`);
  return value === undefined ? fault : `${fault} (found ${shortened(value)})`;
}

function shortened(value: unknown): string {
  const text = JSON.stringify(masked(value)) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

function masked(value: unknown): unknown {
  if (typeof value === 'string') return withoutLogins(value);
  // Text with commas in it was a list before it was read: what is on one side of a comma may belong to the other.
  if (Array.isArray(value)) return value.some(hasLogin) ? MASK : value.map(masked);
  return isTree(value) ? {} : value;
}

/** Indented by one too few, a value becomes the name of a key. */
const named = (part: PropertyKey): string => withoutLogins(String(part));

const hasLogin = (item: unknown): boolean => typeof item === 'string' && withoutLogins(item) !== item;

/** The schema's complaints about `input` as faults, in the schema's order. */
export function schemaFaults(
  issues: readonly z.core.$ZodIssue[],
  { input, keys }: { input: Tree; keys: readonly ConfigKey[] },
): readonly Fault[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map(named).join('.');
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => unknownKey([...issue.path.map(String), key], keys));
    }
    const value = valueAt(input, issue.path);
    return [
      {
        path: path === '' ? 'configuration' : path,
        message: sectionMessage(issue, value) ?? issue.message,
        ...(isPrintable(issue.path, { input, keys }) ? { value } : {}),
      },
    ];
  });
}

function sectionMessage(issue: z.core.$ZodIssue, value: unknown): string | null {
  return issue.code === 'invalid_type' && issue.expected === 'object' && !isTree(value)
    ? 'is a section: put its keys under it'
    : null;
}

/**
 * Never a secret, nor what stands for a section with one; nothing of a map, whose keys are anyone's; and no item of a
 * list in which another one holds a login: a password with a comma makes two of it.
 */
function isPrintable(
  path: readonly PropertyKey[],
  { input, keys }: { input: Tree; keys: readonly ConfigKey[] },
): boolean {
  const value = valueAt(input, path);
  if (value === undefined || value === null || isTree(value)) return false;
  const key = keys.find((candidate) => isWithin(path, candidate.path));
  if (key === undefined) return !keys.some(({ isSecret, path: below }) => isSecret && isWithin(below, path));
  const whole = valueAt(input, key.path);
  const others = Array.isArray(whole) ? whole.filter((item) => item !== value) : [];
  return !key.isSecret && key.kind !== 'map' && !others.some(hasLogin);
}

const isWithin = (path: readonly PropertyKey[], above: readonly PropertyKey[]): boolean =>
  above.every((part, index) => path[index] === part);

function unknownKey(path: readonly string[], keys: readonly ConfigKey[]): Fault {
  const parent = path.slice(0, -1);
  const name = path.at(-1) ?? '';
  const siblings = new Set(
    keys
      .filter(
        (key) => key.path.length > parent.length && parent.every((part, index) => key.path[index] === part),
      )
      .flatMap((key) => key.path[parent.length] ?? []),
  );
  const sibling = closest(name, [...siblings]);
  // A key of that very name elsewhere is more likely what was meant than nothing at all: `topics` for `kafka.topics`.
  const elsewhere = keys.find((key) => key.path.at(-1) === name || key.path.at(-2) === name);
  const prefix = parent.length === 0 ? '' : `${parent.join('.')}.`;
  const hint =
    sibling !== null
      ? `; did you mean ${prefix}${sibling}?`
      : elsewhere !== undefined
        ? `; did you mean ${elsewhere.path.slice(0, elsewhere.path.lastIndexOf(name) + 1).join('.')}?`
        : '';
  return { path: path.map(named).join('.'), message: `no such key${hint}` };
}
