/**
 * Reads the parts of a report that was written as JSON or NDJSON, one after another as they stand in the file: of many
 * records it holds one, and of a record with many entries some.
 */
import { drain, parseFile, pipe } from 'stream-json/file/index.js';
import { UsageError } from '../../common/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../profiles/fold/json-value.ts';
import { type EntryList, EntryStore } from './entry-list.ts';
import { eachOf, type Frame, type Made, object, plain, type Token, TokenReader } from './json-frames.ts';

/** As it stands there, whatever it is. Lists of many entries are there until the next record is met, others for good. */
export type WrittenRecord = Readonly<Record<string, Made>>;

/** Told of each part when all of it was read. */
export interface Parts {
  readonly header?: (header: JsonValue) => void;
  readonly today?: (today: JsonValue) => void;
  readonly version?: (version: JsonObject) => void;
  readonly record?: (record: WrittenRecord) => void;
}

/**
 * JSON is one object with all parts. NDJSON is an object for each, and the header's comes first, alone. Other members are
 * passed over.
 * @param file a path
 * @throws {UsageError} it cannot be read, or is neither JSON nor NDJSON
 * @throws what the parts throw
 */
export async function readWrittenParts(file: string, parts: Parts): Promise<void> {
  using store = new EntryStore();
  const reader = new TokenReader(top(parts, store));
  let thrown: unknown = null;
  const take = (token: Token): void => {
    try {
      reader.take(token);
    } catch (error) {
      thrown = error;
      throw error;
    }
  };
  try {
    await drain(pipe(parseFile({ jsonStreaming: true, streamValues: false }), take)(file));
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    if (error === thrown && !(error instanceof WrongForm)) throw error;
    if (code !== undefined) throw new UsageError(`${file}: cannot be read: ${message}`);
    throw new UsageError(`${file} is neither JSON nor NDJSON: ${message}`);
  }
}

class WrongForm extends Error {}

/** Around everything. */
function top(parts: Parts, store: EntryStore): Frame {
  let form: 'json' | 'ndjson' | null = null;
  const fail = () => {
    throw new WrongForm('it is no object');
  };
  return {
    open: (_, isList) => {
      if (isList) return fail();
      if (form === 'json') throw new WrongForm('it goes on behind the end of its first object');
      if (form === 'ndjson') return line(parts, store);
      return first(parts, store, (keys) => {
        form = keys.size === 1 && keys.has('report') ? 'ndjson' : 'json';
      });
    },
    put: fail,
    end: () => undefined,
  };
}

/** All of JSON, or the first line of NDJSON. A list that stood in it twice would be read twice. */
function first(parts: Parts, store: EntryStore, onEnd: (keys: ReadonlySet<string>) => void): Frame {
  const keys = new Set<string>();
  return {
    member: (key) => {
      if (keys.has(key)) throw new WrongForm(`it has ${JSON.stringify(key)} twice`);
      keys.add(key);
    },
    open: (key, isList) => {
      if (isList && key === 'records') return eachOf(() => recordFrame(store), takeRecord(parts, store));
      if (isList && key === 'profile_versions') return eachOf(object, (version) => parts.version?.(version));
      return plain(key, isList);
    },
    put: (key, value) => takeRest(parts, key, value),
    end: () => {
      onEnd(keys);
      return undefined;
    },
  };
}

/** A further line of NDJSON. */
function line(parts: Parts, store: EntryStore): Frame {
  const take = takeRecord(parts, store);
  return {
    open: (key, isList) => (key === 'record' && !isList ? recordFrame(store) : plain(key, isList)),
    put: (key, value) => {
      if (key === 'record' && isJsonObject(value as JsonValue)) take(value as JsonObject);
      else if (key === 'profile_version' && isJsonObject(value as JsonValue))
        parts.version?.(value as JsonObject);
      else takeRest(parts, key, value);
    },
    end: () => undefined,
  };
}

function takeRest({ header, today }: Parts, key: string, value: Made): void {
  if (key === 'report') header?.(value as JsonValue);
  else if (key === 'profile_today') today?.(value as JsonValue);
}

function takeRecord({ record }: Parts, store: EntryStore): (value: JsonObject) => void {
  return (value) => {
    record?.(value);
    store.clear();
  };
}

function recordFrame(store: EntryStore): Frame {
  return object((key, isList) =>
    isList && (key === 'delivery' || key === 'feedback') ? entries(store.list()) : plain(key, isList),
  );
}

function entries(list: EntryList): Frame {
  return {
    open: plain,
    put: (_, value) => list.push(value as JsonValue),
    end: () => list.items(),
  };
}
