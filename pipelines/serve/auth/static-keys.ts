/** Static keys as a running process knows them: out of their file, which is read again when it has changed. */
import { timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { reasonOf } from '../../../config/secrets.ts';
import type { Clock } from '../../common/clock.ts';
import { UsageError } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import { parseKeyFile, type StaticKey, tokenHash } from './key-file.ts';
import type { Principal } from './principal.ts';

/** Milliseconds. Files that are mounted change by a link that is turned, of which no watcher hears. */
const LOOK_EVERY_MS = 1_000;

export interface StaticKeysOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class StaticKeys implements Disposable {
  readonly #options: StaticKeysOptions;
  readonly #timer: NodeJS.Timeout;
  #text: string;
  #keys: ReadonlyMap<string, StaticKey>;
  /** Said once, not each second. */
  #complaint: string | null = null;

  private constructor(options: StaticKeysOptions, text: string) {
    this.#options = options;
    this.#text = text;
    this.#keys = byHash(parseKeyFile(text));
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** @throws {UsageError} the file cannot be read, or is not one of keys */
  static async open(options: StaticKeysOptions): Promise<StaticKeys> {
    try {
      return new StaticKeys(options, await readFile(options.file, 'utf8'));
    } catch (error) {
      throw new UsageError(`serve.auth.keysFile: ${options.file}: ${whyOf(error)}`, { cause: error });
    }
  }

  /** Null: nobody's, or not any more. */
  find(token: string): Principal | null {
    const hash = tokenHash(token);
    // What the look-up's time tells is of the hash, of which nobody can choose a part.
    const key = this.#keys.get(hash);
    if (key === undefined || !timingSafeEqual(Buffer.from(key.sha256), Buffer.from(hash))) return null;
    if (key.expires !== null && key.expires <= this.#options.clock.now()) return null;
    return { id: key.id, tenants: key.tenants, scopes: new Set(key.scopes) };
  }

  /** A file that cannot be read, or is half written, changes nothing: the keys that were good stay so. */
  async #look(): Promise<void> {
    const { file, logger } = this.#options;
    try {
      const text = await readFile(file, 'utf8');
      if (text === this.#text) return;
      this.#text = text;
      this.#keys = byHash(parseKeyFile(text));
      logger.info({ file, keys: this.#keys.size }, 'the file of keys was read again');
    } catch (error) {
      const reason = whyOf(error);
      if (reason === this.#complaint) return;
      this.#complaint = reason;
      logger.error({ file, reason }, 'the file of keys cannot be used; the keys of before stay good');
      return;
    }
    this.#complaint = null;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

const byHash = (keys: readonly StaticKey[]): Map<string, StaticKey> =>
  new Map(keys.map((key) => [key.sha256, key]));

function whyOf(error: unknown): string {
  if (error instanceof Error && !('code' in error)) return error.message;
  return reasonOf(error);
}
