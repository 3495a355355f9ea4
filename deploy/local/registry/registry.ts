/** What a schema registry does, apart from HTTP: register, look up, check, delete. */
import { type GivenSchema, type ReadSchema, readSchema } from './avro-schema.ts';
import { incompatibilities } from './compatibility.ts';
import { RegistryError, schemaNotFound, subjectNotFound, versionNotFound } from './errors.ts';
import type { CompatibilityLevel, Mode, RegistryStore, StoredSchema, SubjectVersion } from './store.ts';

export interface VersionOf {
  readonly subject: string;
  readonly version: number;
  readonly schema: StoredSchema;
}

const DEFAULT_LEVEL: CompatibilityLevel = 'BACKWARD';
const DEFAULT_MODE: Mode = 'READWRITE';
const MAX_REFERENCES = 1_000;

export class Registry {
  readonly store: RegistryStore;
  /** Parsed once each: checking against all versions of a subject asks for them again and again. */
  readonly #read = new Map<number, ReadSchema>();

  constructor(store: RegistryStore) {
    this.store = store;
  }

  /** The same schema in the same subject keeps its version. @returns the schema's id */
  register(subject: string, given: GivenSchema): number {
    const read = this.read(given);
    const present = this.#versionWith(subject, read.fingerprint);
    if (present !== null) return present.id;
    if (this.mode(subject) === 'READONLY')
      throw new RegistryError(42205, `Subject ${subject} is in read-only mode`);
    const faults = this.check(subject, read, this.#present(subject));
    if (faults.length > 0) {
      throw new RegistryError(
        409,
        `Schema being registered is incompatible with an earlier schema for subject "${subject}", details: [${faults.join(', ')}]`,
      );
    }
    const { id } = this.store.addSchema(read);
    this.store.addVersion(subject, id);
    return id;
  }

  /** The version under which this very schema stands in the subject. */
  lookUp(subject: string, given: GivenSchema, { isDeletedToo = false } = {}): VersionOf {
    this.versions(subject, { isDeletedToo });
    const found = this.#versionWith(subject, this.read(given).fingerprint, { isDeletedToo });
    if (found === null) throw schemaNotFound();
    return { subject, version: found.version, schema: this.#stored(found.id) };
  }

  /** @throws {RegistryError} 40401 when there is none */
  versions(subject: string, { isDeletedToo = false } = {}): readonly SubjectVersion[] {
    const all = this.store.versions(subject).filter(({ isDeleted }) => isDeletedToo || !isDeleted);
    if (all.length === 0) throw subjectNotFound(subject);
    return all;
  }

  /** @param version a number, `latest` or -1 */
  version(subject: string, version: string, { isDeletedToo = false } = {}): VersionOf {
    const all = this.versions(subject, { isDeletedToo });
    const isLatest = version === 'latest' || version === '-1';
    if (!isLatest && !/^[1-9]\d{0,9}$/.test(version)) {
      throw new RegistryError(
        42202,
        `The specified version '${version}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string "latest"`,
      );
    }
    const found = isLatest ? all.at(-1) : all.find((one) => one.version === Number(version));
    if (found === undefined) throw versionNotFound(version);
    return { subject, version: found.version, schema: this.#stored(found.id) };
  }

  schema(id: number): StoredSchema {
    const stored = this.store.schema(id);
    if (stored === null) throw schemaNotFound(id);
    return stored;
  }

  /** Where a schema is used. */
  versionsOf(id: number, { isDeletedToo = false } = {}): { subject: string; version: number }[] {
    this.schema(id);
    return this.store.subjects().flatMap((subject) =>
      this.store
        .versions(subject)
        .filter((one) => one.id === id && (isDeletedToo || !one.isDeleted))
        .map(({ version }) => ({ subject, version })),
    );
  }

  level(subject: string): CompatibilityLevel {
    return this.store.level(subject) ?? this.store.level(null) ?? DEFAULT_LEVEL;
  }

  mode(subject: string): Mode {
    return this.store.mode(subject) ?? this.store.mode(null) ?? DEFAULT_MODE;
  }

  /** As `check`, against the versions that the subject's level asks for. */
  checkNext(subject: string, given: GivenSchema): readonly string[] {
    return this.check(subject, this.read(given), this.#present(subject));
  }

  /** @returns what speaks against the schema next to these versions, at the subject's level; empty when nothing does */
  check(subject: string, given: GivenSchema, against: readonly VersionOf[]): readonly string[] {
    const level = this.level(subject);
    const next = this.read(given).type;
    return against.flatMap(({ schema, version }) =>
      incompatibilities(next, this.#readStored(schema).type, level).map(
        ({ errorType, description }) =>
          `{errorType:'${errorType}', description:"${description}", oldSchemaVersion:${version}, compatibility:'${level}'}`,
      ),
    );
  }

  /** A version goes in two steps: softly, when it can still be read by its id, and then for good. */
  deleteVersions(
    subject: string,
    versions: readonly number[],
    { isPermanent }: { isPermanent: boolean },
  ): readonly number[] {
    for (const version of versions) {
      const present = this.store.versions(subject).find((one) => one.version === version);
      if (present === undefined) throw versionNotFound(version);
      if (isPermanent && !present.isDeleted) {
        throw new RegistryError(
          40407,
          `Subject '${subject}' Version ${version} was not deleted first before being permanently deleted`,
        );
      }
      const user = this.#userOf(subject, version);
      if (user !== null) {
        throw new RegistryError(
          42206,
          `One or more references exist to the schema {subject=${subject}, version=${version}}: ${user}`,
        );
      }
    }
    this.store.deleteVersions(subject, versions, { isPermanent });
    return versions;
  }

  /** @throws {RegistryError} 42201 when it is no Avro schema, or refers to what is not there */
  read(given: GivenSchema): ReadSchema {
    return readSchema(given, this.#referenced(given));
  }

  #referenced({ references }: GivenSchema): readonly string[] {
    const texts = new Map<string, string>();
    const waiting = [...references];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { subject, version } = next;
      const key = `${version}/${subject}`;
      if (texts.has(key)) continue;
      const found = this.store.versions(subject).find((one) => one.version === version);
      if (found === undefined || texts.size === MAX_REFERENCES) {
        throw new RegistryError(
          42201,
          `Invalid schema: no schema reference found for subject "${subject}" and version ${version}`,
        );
      }
      const schema = this.#stored(found.id);
      texts.set(key, schema.text);
      waiting.push(...schema.references);
    }
    return [...texts.values()];
  }

  #readStored(schema: StoredSchema): ReadSchema {
    let read = this.#read.get(schema.id);
    if (read === undefined) {
      read = this.read(schema);
      this.#read.set(schema.id, read);
    }
    return read;
  }

  /** The versions that the subject's level compares a new one with. */
  #present(subject: string): readonly VersionOf[] {
    const present = this.store.versions(subject).filter(({ isDeleted }) => !isDeleted);
    const chosen = this.level(subject).endsWith('_TRANSITIVE') ? present : present.slice(-1);
    return chosen.map(({ version, id }) => ({ subject, version, schema: this.#stored(id) }));
  }

  #versionWith(subject: string, fingerprint: string, { isDeletedToo = false } = {}): SubjectVersion | null {
    const id = this.store.schemaWith(fingerprint)?.id;
    const all = this.store.versions(subject);
    return all.find((one) => one.id === id && (isDeletedToo || !one.isDeleted)) ?? null;
  }

  #stored(id: number): StoredSchema {
    return this.schema(id);
  }

  #userOf(subject: string, version: number): string | null {
    for (const other of this.store.subjects()) {
      for (const { id, version: at, isDeleted } of this.store.versions(other)) {
        const refers = this.#stored(id).references.some(
          (reference) => reference.subject === subject && reference.version === version,
        );
        if (refers && !isDeleted) return `${other} version ${at}`;
      }
    }
    return null;
  }
}
