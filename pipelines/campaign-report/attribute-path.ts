/** Names an attribute of a profile: `address.city`, or a JSON pointer where a key has dots: `/address/city.name`. Pure. */
import { UsageError } from '../common/errors.ts';
import { shortened } from '../common/shortened.ts';

/** Profiles are not nested deeper (profiles/attributes.ts). */
const MOST_KEYS = 100;

export interface AttributePath {
  /** From the outside in, at least one. */
  readonly keys: readonly string[];
  /** As it was given. */
  readonly text: string;
}

/**
 * A text that begins with a slash is a JSON pointer (RFC 6901): `~1` is a slash in a key, `~0` a tilde.
 * @param parameter what the text was given as
 * @throws {UsageError}
 */
export function parseAttributePath(parameter: string, text: string): AttributePath {
  const keys = text.startsWith('/') ? pointerKeys(parameter, text) : dottedKeys(parameter, text);
  if (keys.length > MOST_KEYS)
    throw new UsageError(
      `${parameter}: has ${keys.length} keys; profiles are nested ${MOST_KEYS} deep at most`,
    );
  return { keys, text };
}

function dottedKeys(parameter: string, text: string): string[] {
  const keys = text.split('.');
  if (keys.includes(''))
    throw new UsageError(
      `${parameter}: "${shortened(text)}" has an empty key; name an attribute as plan or address.city, or as a JSON pointer where a key is empty or has dots: /address/city.name`,
    );
  return keys;
}

function pointerKeys(parameter: string, text: string): string[] {
  if (/~(?![01])/.test(text))
    throw new UsageError(
      `${parameter}: "${shortened(text)}" is not a JSON pointer: a tilde in a key is written ~0, a slash ~1 (RFC 6901)`,
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
