/** Puts the configuration together: the schema's defaults, below the file, below the environment, below overrides. */
import { readFile } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import { UsageError } from '../pipelines/common/errors.ts';
import { type Environment, readEnvironment, splitList } from './environment.ts';
import { type Fault, formatFault, schemaFaults } from './faults.ts';
import { CONFIG_FILE_VARIABLE, type ConfigKey, configKeys } from './keys.ts';
import { type Config, type ConfigInput, configSchema } from './schema.ts';
import { exposedSecrets, readSecretFiles, reasonOf } from './secrets.ts';
import { tlsFileFaults } from './tls-files.ts';
import { deepFreeze, isTree, mergeTrees, setValue, type Tree, valueAt } from './tree.ts';

type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [Key in keyof T]?: DeepPartial<T[Key]> | undefined }
    : T;

export { CONFIG_FILE_VARIABLE } from './keys.ts';

export interface LoadOptions {
  /** The YAML file; CAMPAIGN_LEDGER_CONFIG when left out; none when that is not set either. */
  readonly file?: string | undefined;
  /** process.env when left out. */
  readonly env?: Environment;
  /** Above everything else: what a command's own options say, or a test. */
  readonly overrides?: DeepPartial<ConfigInput>;
}

/** Every key with its kind and its environment variable; the same for every process. */
export const CONFIG_KEYS: readonly ConfigKey[] = configKeys(configSchema);

/**
 * Reads, merges and checks the configuration; the result is frozen throughout.
 * @throws {UsageError} with every fault on a line of its own, never with a secret
 */
export async function loadConfig(options: LoadOptions = {}): Promise<Config> {
  const { config, faults } = await checkConfig(options);
  if (config !== null) return config;
  const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`;
  throw new UsageError(
    `the configuration has ${count}:\n${faults.map((fault) => `  ${formatFault(fault)}`).join('\n')}`,
  );
}

export type CheckedConfig =
  | { readonly config: Config; readonly faults: readonly [] }
  | { readonly config: null; readonly faults: readonly Fault[] };

/** As `loadConfig`, but hands back the faults. */
export async function checkConfig({
  file,
  env = process.env,
  overrides = {},
}: LoadOptions = {}): Promise<CheckedConfig> {
  const path = file ?? (env[CONFIG_FILE_VARIABLE] || undefined);
  const environment = readEnvironment(env, CONFIG_KEYS);
  const read = path === undefined ? { layer: {}, faults: [] } : await readYaml(path);
  // What a file that cannot be read leaves out would only hide the reason among its consequences.
  if (read.faults.length > 0) return { config: null, faults: [...read.faults, ...environment.faults] };

  const faults: Fault[] = [...environment.faults];
  const layers = [read.layer, environment.tree, overrides as Tree].map(normalised);
  const [fileLayer = {}] = layers;
  if (path !== undefined)
    faults.push(...(await exposedSecrets(path, { layer: fileLayer, keys: CONFIG_KEYS })));
  for (const layer of layers) faults.push(...(await readSecretFiles(layer, CONFIG_KEYS)));

  const input = mergeTrees(...layers);
  faults.push(...tlsFileFaults(input, CONFIG_KEYS));
  const parsed = configSchema.safeParse(input);
  if (!parsed.success) faults.push(...schemaFaults(parsed.error.issues, { input, keys: CONFIG_KEYS }));
  return parsed.success && faults.length === 0
    ? { config: deepFreeze(parsed.data), faults: [] }
    : { config: null, faults };
}

interface ReadFile {
  readonly layer: Tree;
  readonly faults: readonly Fault[];
}

async function readYaml(file: string): Promise<ReadFile> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    return { layer: {}, faults: [{ path: file, message: reasonOf(error) }] };
  }
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) {
    const faults = document.errors.map(({ message }) => ({ path: file, message: unquoted(message) }));
    return { layer: {}, faults };
  }
  let value: unknown;
  try {
    value = document.toJS() ?? {};
  } catch (error) {
    // An alias of nothing: a text that begins with an asterisk and should have been in quotes.
    return { layer: {}, faults: [{ path: file, message: unquoted((error as Error).message) }] };
  }
  return isTree(value)
    ? { layer: value, faults: [] }
    : {
        layer: {},
        faults: [{ path: file, message: 'must hold keys and values, as config/default.yaml does' }],
      };
}

/** The parser's message quotes the lines around the fault, or the word at fault, and these may hold a secret. */
function unquoted(message: string): string {
  const [firstLine = ''] = message.split('\n');
  return firstLine.replace(
    /(: (?!between |in )|(?<=sequence|directive|version) ).*?(?= at line \d+, column \d+|$)/,
    '',
  );
}

/** `brokers: a:1,b:2` as a list, a section with nothing under it as an empty one, '' as null where null is allowed. */
function normalised(layer: Tree): Tree {
  const tree = mergeTrees(layer);
  for (const { path, kind, isNullable } of CONFIG_KEYS) {
    for (let depth = 1; depth < path.length; depth += 1) {
      if (valueAt(tree, path.slice(0, depth)) === null) setValue(tree, path.slice(0, depth), {});
    }
    const value = valueAt(tree, path);
    if (kind === 'list' && typeof value === 'string') setValue(tree, path, splitList(value));
    if (isNullable && value === '') setValue(tree, path, null);
  }
  return tree;
}
