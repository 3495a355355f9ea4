/** What is wrong with a configuration, said so that a person can put it right: where, what was found, what to do. */
import type { z } from 'zod';
import { withoutSignatures } from '../pipelines/common/redaction.ts';
import { closest } from './closest.ts';
import type { ConfigKey } from './keys.ts';
import { isTree, type Tree, valueAt } from './tree.ts';

export interface Fault {
  /** The key (`kafka.brokers`), the environment variable or the file that the fault is in. */
  readonly path: string;
  readonly message: string;
  /** What was found there; left out where there was nothing, and always for secrets. */
  readonly value?: unknown;
}

/** `kafka.sessionTimeoutMs: must be less than … (found 400000)`, one line. */
export function formatFault({ path, message, value }: Fault): string {
  return value === undefined ? `${path}: ${message}` : `${path}: ${message} (found ${shortened(value)})`;
}

function shortened(value: unknown): string {
  const text = withoutSignatures(JSON.stringify(value) ?? String(value));
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

/** The schema's complaints about `input` as faults, in the schema's order. */
export function schemaFaults(
  issues: readonly z.core.$ZodIssue[],
  { input, keys }: { input: Tree; keys: readonly ConfigKey[] },
): readonly Fault[] {
  return issues.flatMap((issue) => {
    const path = issue.path.join('.');
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => unknownKey([...issue.path.map(String), key], keys));
    }
    const value = valueAt(input, issue.path);
    return [
      {
        path: path === '' ? 'configuration' : path,
        message: sectionMessage(issue, value) ?? issue.message,
        ...(isPrintable(value, issue.path.map(String), keys) ? { value } : {}),
      },
    ];
  });
}

function sectionMessage(issue: z.core.$ZodIssue, value: unknown): string | null {
  return issue.code === 'invalid_type' && issue.expected === 'object' && !isTree(value)
    ? 'is a section: put its keys under it'
    : null;
}

/** Never a secret, nor a section, which may hold one. */
function isPrintable(value: unknown, path: readonly string[], keys: readonly ConfigKey[]): boolean {
  if (value === undefined || value === null || isTree(value)) return false;
  const at = path.join('.');
  return !keys.some((key) => key.isSecret && key.path.join('.') === at);
}

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
  return { path: path.join('.'), message: `no such key${hint}` };
}
