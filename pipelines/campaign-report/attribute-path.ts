/** Names an attribute of a profile: `address.city`, or a JSON pointer where a key has dots: `/address/city.name`. Pure. */
import { UsageError } from '../common/errors.ts';

/** Profiles are not nested deeper (profiles/attributes.ts). */
const MOST_KEYS = 100;

/**
 * A text that begins with a slash is a JSON pointer (RFC 6901): `~1` is a slash in a key, `~0` a tilde.
 * @returns the keys from the outside in, at least one
 * @throws {UsageError}
 */
export function parseAttributePath(text: string): readonly string[] {
  const keys = text.startsWith('/') ? pointerKeys(text) : dottedKeys(text);
  if (keys.length > MOST_KEYS)
    throw new UsageError(`--by: has ${keys.length} keys; profiles are nested ${MOST_KEYS} deep at most`);
  return keys;
}

function dottedKeys(text: string): string[] {
  const keys = text.split('.');
  if (keys.includes(''))
    throw new UsageError(
      `--by: "${text}" has an empty key; name an attribute as plan or address.city, or as a JSON pointer where a key is empty or has dots: /address/city.name`,
    );
  return keys;
}

function pointerKeys(text: string): string[] {
  if (/~(?![01])/.test(text))
    throw new UsageError(
      `--by: "${text}" is not a JSON pointer: a tilde in a key is written ~0, a slash ~1 (RFC 6901)`,
    );
  return text
    .slice(1)
    .split('/')
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The JSON pointer of the keys: one text for one path. */
export function pointerOf(keys: readonly string[]): string {
  return keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
