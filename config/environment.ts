/** What the environment says about the configuration: CAMPAIGN_LEDGER_… variables as a tree, each value as its key's kind. */
import { parse } from 'yaml';
import { closest } from './closest.ts';
import type { Fault } from './faults.ts';
import { CONFIG_FILE_VARIABLE, type ConfigKey, ENVIRONMENT_PREFIX, environmentVariable } from './keys.ts';
import { setValue, type Tree } from './tree.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ReadEnvironment {
  readonly tree: Tree;
  readonly faults: readonly Fault[];
}

/** An unknown variable with our prefix is a fault: it is a key misspelt, and silence would run with the default. */
export function readEnvironment(env: Environment, keys: readonly ConfigKey[]): ReadEnvironment {
  const byVariable = new Map(keys.map((key) => [environmentVariable(key.path), key]));
  const tree: Tree = {};
  const faults: Fault[] = [];
  for (const [variable, text] of Object.entries(env).sort()) {
    if (text === undefined || !variable.startsWith(ENVIRONMENT_PREFIX) || variable === CONFIG_FILE_VARIABLE)
      continue;
    const key = byVariable.get(variable);
    if (key === undefined) {
      const near = closest(variable, [...byVariable.keys()]);
      faults.push({
        path: variable,
        message: `no such configuration variable${near === null ? '' : `; did you mean ${near}?`}`,
      });
      continue;
    }
    const read = readValue(text, key);
    if ('fault' in read) {
      // A map holds anything, a password among its keys too.
      const isShown = !key.isSecret && key.kind !== 'map';
      faults.push({ path: variable, message: read.fault, ...(isShown ? { value: text } : {}) });
    } else setValue(tree, key.path, read.value);
  }
  return { tree, faults };
}

function readValue(text: string, key: ConfigKey): { value: unknown } | { fault: string } {
  if (key.isNullable && (text === 'null' || text === '')) return { value: null };
  switch (key.kind) {
    case 'text':
      return { value: text };
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text) ? { value: Number(text) } : { fault: 'must be a number' };
    case 'boolean':
      return text === 'true' || text === 'false'
        ? { value: text === 'true' }
        : { fault: 'must be true or false' };
    case 'list':
      return { value: splitList(text) };
    case 'map':
      return readMap(text);
  }
}

/** `a, b` is ['a', 'b'], as in Kafka's own settings. */
export function splitList(text: string): readonly string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function readMap(text: string): { value: unknown } | { fault: string } {
  try {
    return { value: parse(text, { logLevel: 'error' }) };
  } catch {
    return { fault: 'must be a JSON object, for example {"socket.keepalive.enable": true}' };
  }
}
