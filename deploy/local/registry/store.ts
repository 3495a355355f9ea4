/** What the registry knows, and the file it is kept in: one line a change, on disk before the change is answered. */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

export const COMPATIBILITY_LEVELS = [
  'NONE',
  'BACKWARD',
  'BACKWARD_TRANSITIVE',
  'FORWARD',
  'FORWARD_TRANSITIVE',
  'FULL',
  'FULL_TRANSITIVE',
] as const;

export type CompatibilityLevel = (typeof COMPATIBILITY_LEVELS)[number];

export const MODES = ['READWRITE', 'READONLY', 'IMPORT'] as const;

export type Mode = (typeof MODES)[number];

export interface SchemaReference {
  readonly name: string;
  readonly subject: string;
  readonly version: number;
}

/** A schema as it was given, and the number that stands in front of each value written with it. */
export interface StoredSchema {
  readonly id: number;
  readonly text: string;
  readonly references: readonly SchemaReference[];
  /** Equal for schemas that differ only in what has no meaning: white space, the order of attributes. */
  readonly fingerprint: string;
}

export interface SubjectVersion {
  readonly version: number;
  readonly id: number;
  readonly isDeleted: boolean;
}

type Change =
  | { readonly do: 'schema'; readonly schema: StoredSchema }
  | { readonly do: 'version'; readonly subject: string; readonly version: number; readonly id: number }
  | {
      readonly do: 'delete';
      readonly subject: string;
      readonly versions: readonly number[];
      readonly isPermanent: boolean;
    }
  | { readonly do: 'level'; readonly subject: string | null; readonly level: CompatibilityLevel | null }
  | { readonly do: 'mode'; readonly subject: string | null; readonly mode: Mode | null };

export class RegistryStore {
  readonly #schemas = new Map<number, StoredSchema>();
  readonly #idOf = new Map<string, number>();
  readonly #subjects = new Map<string, SubjectVersion[]>();
  /** Highest version ever given in a subject: numbers of deleted versions are not given again. */
  readonly #highest = new Map<string, number>();
  readonly #levels = new Map<string | null, CompatibilityLevel>();
  readonly #modes = new Map<string | null, Mode>();
  readonly #descriptor: number;

  /** Of the file. */
  #bytes: number;

  private constructor(
    changes: readonly Change[],
    { descriptor, bytes }: { descriptor: number; bytes: number },
  ) {
    for (const change of changes) this.#apply(change);
    this.#descriptor = descriptor;
    this.#bytes = bytes;
  }

  /** @param folder is made when it is missing; one process at a time */
  static open(folder: string): RegistryStore {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = join(folder, 'changes.jsonl');
    const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    // What follows the last newline was cut short by a kill, and nobody was told that it is kept.
    const end = bytes.lastIndexOf(0x0a) + 1;
    if (end < bytes.length) truncateSync(file, end);
    const lines = bytes.subarray(0, end).toString('utf8').split('\n').slice(0, -1);
    return new RegistryStore(
      lines.map((line) => JSON.parse(line) as Change),
      { descriptor: openSync(file, 'a', 0o600), bytes: end },
    );
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  schema(id: number): StoredSchema | null {
    return this.#schemas.get(id) ?? null;
  }

  schemaWith(fingerprint: string): StoredSchema | null {
    const id = this.#idOf.get(fingerprint);
    return id === undefined ? null : this.schema(id);
  }

  schemas(): readonly StoredSchema[] {
    return [...this.#schemas.values()];
  }

  subjects(): readonly string[] {
    return [...this.#subjects.keys()].sort();
  }

  /** Ascending, softly deleted ones too; empty when there never was such a subject. */
  versions(subject: string): readonly SubjectVersion[] {
    return this.#subjects.get(subject) ?? [];
  }

  /** The subject's own, or null; a null subject is the registry as a whole. */
  level(subject: string | null): CompatibilityLevel | null {
    return this.#levels.get(subject) ?? null;
  }

  mode(subject: string | null): Mode | null {
    return this.#modes.get(subject) ?? null;
  }

  /** Gives the schema a number unless the very same has one. */
  addSchema(schema: Omit<StoredSchema, 'id'>): StoredSchema {
    const known = this.schemaWith(schema.fingerprint);
    if (known !== null) return known;
    const added = { ...schema, id: this.#schemas.size + 1 };
    this.#commit({ do: 'schema', schema: added });
    return added;
  }

  addVersion(subject: string, id: number): SubjectVersion {
    const version = (this.#highest.get(subject) ?? 0) + 1;
    this.#commit({ do: 'version', subject, version, id });
    return { version, id, isDeleted: false };
  }

  deleteVersions(
    subject: string,
    versions: readonly number[],
    { isPermanent }: { isPermanent: boolean },
  ): void {
    this.#commit({ do: 'delete', subject, versions, isPermanent });
  }

  setLevel(subject: string | null, level: CompatibilityLevel | null): void {
    this.#commit({ do: 'level', subject, level });
  }

  setMode(subject: string | null, mode: Mode | null): void {
    this.#commit({ do: 'mode', subject, mode });
  }

  #commit(change: Change): void {
    const line = Buffer.from(`${JSON.stringify(change)}\n`);
    try {
      for (let written = 0; written < line.length; ) written += writeSync(this.#descriptor, line, written);
      fdatasyncSync(this.#descriptor);
    } catch (error) {
      // A full disk: half a line must not stay in front of the next one.
      ftruncateSync(this.#descriptor, this.#bytes);
      throw error;
    }
    this.#bytes += line.length;
    this.#apply(change);
  }

  #apply(change: Change): void {
    switch (change.do) {
      case 'schema':
        this.#schemas.set(change.schema.id, change.schema);
        this.#idOf.set(change.schema.fingerprint, change.schema.id);
        return;
      case 'version': {
        const { subject, version, id } = change;
        this.#subjects.set(subject, [...this.versions(subject), { version, id, isDeleted: false }]);
        this.#highest.set(subject, version);
        return;
      }
      case 'delete': {
        const { subject, versions, isPermanent } = change;
        const left = this.versions(subject).flatMap((entry) => {
          if (!versions.includes(entry.version)) return [entry];
          return isPermanent ? [] : [{ ...entry, isDeleted: true }];
        });
        if (left.length === 0) this.#subjects.delete(subject);
        else this.#subjects.set(subject, left);
        return;
      }
      case 'level':
        assign(this.#levels, change.subject, change.level);
        return;
      case 'mode':
        assign(this.#modes, change.subject, change.mode);
        return;
    }
  }
}

function assign<K, V>(map: Map<K, V>, key: K, value: V | null): void {
  if (value === null) map.delete(key);
  else map.set(key, value);
}
