/** The keys of the configuration as the schema knows them: what each holds, which are secret, and their environment variables. */
import type { z } from 'zod';

export type KeyKind = 'text' | 'number' | 'boolean' | 'list' | 'map';

export interface ConfigKey {
  /** From the root, for example ['kafka', 'brokers']. */
  readonly path: readonly string[];
  readonly kind: KeyKind;
  readonly isNullable: boolean;
  readonly isSecret: boolean;
  /** The secret that this key names a file for, when it is a `…File` sibling of one. */
  readonly secretPath: readonly string[] | null;
}

export const ENVIRONMENT_PREFIX = 'CAMPAIGN_LEDGER_';

/** The variable that names the configuration file when `--config` does not. */
export const CONFIG_FILE_VARIABLE = `${ENVIRONMENT_PREFIX}CONFIG`;

/** ['kafka', 'maxPollIntervalMs'] is CAMPAIGN_LEDGER_KAFKA_MAX_POLL_INTERVAL_MS. */
export function environmentVariable(path: readonly string[]): string {
  return ENVIRONMENT_PREFIX + path.map((part) => part.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_');
}

/** Every key that holds a value, in the schema's order. */
export function configKeys(schema: z.core.$ZodType): readonly ConfigKey[] {
  const leaves = leavesOf(schema, []);
  const secrets = new Map(
    leaves.filter(({ isSecret }) => isSecret).map(({ path }) => [`${path.join('.')}File`, path]),
  );
  return leaves.map((leaf) => ({ ...leaf, secretPath: secrets.get(leaf.path.join('.')) ?? null }));
}

type Leaf = Omit<ConfigKey, 'secretPath'>;

function leavesOf(schema: z.core.$ZodType, path: readonly string[]): Leaf[] {
  const { inner, isNullable, isSecret } = unwrap(schema);
  const { def } = inner._zod;
  if (def.type === 'object') {
    const { shape } = def as z.core.$ZodObjectDef;
    return Object.entries(shape).flatMap(([key, value]) => leavesOf(value, [...path, key]));
  }
  return [{ path, kind: kindOf(def.type, path), isNullable, isSecret }];
}

function kindOf(type: z.core.$ZodTypeDef['type'], path: readonly string[]): KeyKind {
  switch (type) {
    case 'string':
    case 'enum':
      return 'text';
    case 'int':
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'array':
      return 'list';
    case 'record':
      return 'map';
    default:
      throw new Error(`${path.join('.')}: no way to read a ${type} from the environment`);
  }
}

interface Unwrapped {
  inner: z.core.$ZodType;
  isNullable: boolean;
  isSecret: boolean;
}

function unwrap(schema: z.core.$ZodType): Unwrapped {
  const isSecret = (schema as z.ZodType).meta()?.secret === true;
  const { def } = schema._zod;
  if (
    def.type === 'default' ||
    def.type === 'prefault' ||
    def.type === 'nullable' ||
    def.type === 'optional'
  ) {
    const inside = unwrap((def as z.core.$ZodDefaultDef).innerType);
    return {
      inner: inside.inner,
      isNullable: inside.isNullable || def.type === 'nullable',
      isSecret: inside.isSecret || isSecret,
    };
  }
  return { inner: schema, isNullable: false, isSecret };
}
