/** Our own schemas of the topics: what writers' schemas are resolved to. */
import { readFileSync } from 'node:fs';
import avsc from 'avsc';

export interface ReaderField {
  readonly name: string;
  /** Names under which writers of an earlier schema knew it. */
  readonly aliases: readonly string[];
  readonly hasDefault: boolean;
  /** Of an enum, null for any other type. */
  readonly symbols: ReadonlySet<string> | null;
  /** Unqualified name of an enum. */
  readonly enumName: string | null;
}

export interface ReaderSchema {
  /** Unqualified names: Avro compares records by them. */
  readonly names: ReadonlySet<string>;
  readonly fields: ReadonlyMap<string, ReaderField>;
  readonly type: avsc.types.RecordType;
}

/** @param file name of a file of schemas/avro, for example `feedback-event.avsc` */
export function loadReaderSchema(file: string): ReaderSchema {
  const url = new URL(`../../../schemas/avro/${file}`, import.meta.url);
  const type = avsc.Type.forSchema(JSON.parse(readFileSync(url, 'utf8')) as avsc.Schema);
  if (!(type instanceof avsc.types.RecordType)) throw new TypeError(`${file} is not a record`);
  return {
    names: new Set([type.name ?? '', ...(type.aliases ?? [])].map(unqualified)),
    fields: new Map(type.fields.map((field) => [field.name, readerField(field)])),
    type,
  };
}

function readerField(field: avsc.types.Field): ReaderField {
  const isEnum = field.type instanceof avsc.types.EnumType;
  return {
    name: field.name,
    aliases: field.aliases,
    hasDefault: field.defaultValue() !== undefined,
    symbols: isEnum ? new Set((field.type as avsc.types.EnumType).symbols) : null,
    enumName: isEnum ? unqualified(field.type.name ?? '') : null,
  };
}

export function unqualified(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}
