/** The file of static keys: who may do what, each known by the hash of their token. */
import { createHash, randomBytes } from 'node:crypto';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { parseTimeArgument } from '../../report/time-argument.ts';
import { SCOPES } from './principal.ts';

export interface StaticKey {
  readonly id: string;
  /** Hex. */
  readonly sha256: string;
  readonly tenants: readonly string[];
  readonly scopes: readonly string[];
  /** Milliseconds since the epoch; null: it stays good. */
  readonly expires: number | null;
}

/** Of the token, as the file has it. Tokens are random and long: nothing is gained by a slow hash. */
export const tokenHash = (token: string): string => createHash('sha256').update(token).digest('hex');

const ID = /^[A-Za-z0-9._@-]{1,64}$/;

const text = (least: string) => z.string(least).min(1, least);

const entry = z.strictObject({
  id: z.string().regex(ID, 'must be 1 to 64 letters, digits, dots, dashes, underscores and @'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be the 64 hex digits that `serve new-key` has printed'),
  tenants: z.array(text('must name a tenant')).min(1, 'must name at least one tenant'),
  scopes: z
    .array(z.enum(SCOPES, `must be some of ${SCOPES.join(', ')}`))
    .min(1, 'must name at least one scope'),
  expires: z.string('must be a day or an instant with its zone, as text').nullish(),
});

const file = z.strictObject({ keys: z.array(entry, 'must list the keys') });

/** @throws {Error} with every fault, and nothing that the file holds but ids */
export function parseKeyFile(content: string): StaticKey[] {
  const parsed = file.safeParse(read(content));
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'keys'}: ${message}`);
    throw new Error(faults.join('; '));
  }
  const keys = parsed.data.keys.map(({ expires, ...key }, index) => ({
    ...key,
    expires: expires == null ? null : parseTimeArgument(`keys.${index}.expires`, expires),
  }));
  for (const field of ['id', 'sha256'] as const) {
    const seen = new Set<string>();
    for (const key of keys) {
      if (seen.has(key[field])) throw new Error(`two keys have the ${field} of ${key.id}`);
      seen.add(key[field]);
    }
  }
  return keys;
}

function read(content: string): unknown {
  try {
    // Unlike the core schema of YAML 1.2, no other turns an unquoted day into something that is not text.
    return parse(content) ?? {};
  } catch {
    throw new Error('it is not YAML');
  }
}

export interface NewKey {
  readonly token: string;
  /** YAML, to be put under `keys:`. */
  readonly entry: string;
}

/** 256 random bits. The prefix lets scanners for secrets find a token that was put where it should not be. */
export function newKey(
  key: Pick<StaticKey, 'id' | 'tenants' | 'scopes'> & { readonly expires?: string },
): NewKey {
  const token = `clk_${randomBytes(32).toString('base64url')}`;
  const { id, tenants, scopes, expires } = key;
  const made = {
    id,
    sha256: tokenHash(token),
    tenants,
    scopes,
    ...(expires === undefined ? {} : { expires }),
  };
  // As an entry of the file, so that what is printed is known to be accepted.
  parseKeyFile(stringify({ keys: [made] }));
  return { token, entry: stringify([made]) };
}
