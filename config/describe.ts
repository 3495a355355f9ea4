/** A configuration for people to read: as YAML, secrets masked. */
import { stringify } from 'yaml';
import { MASK } from '../pipelines/common/redaction.ts';
import { CONFIG_KEYS } from './load.ts';
import type { Config } from './schema.ts';
import { setValue, type Tree, valueAt } from './tree.ts';

/** Every key with the value in force; a configuration file that gives the same, but for its secrets. */
export function describeConfig(config: Config): string {
  const shown: Tree = {};
  for (const { path, isSecret } of CONFIG_KEYS) {
    const value = valueAt(config, path);
    setValue(shown, path, isSecret && value !== null ? MASK : value);
  }
  return stringify(shown, { aliasDuplicateObjects: false });
}
