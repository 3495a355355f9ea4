/**
 * Reads the parts of a report that was written as JSON or NDJSON, one after another as they stand in the file: of many
 * records it holds one, and of a record with many entries some.
 */
import { drain, parseFile, pipe } from 'stream-json/file/index.js';
import { UsageError } from '../../common/errors.ts';
import {
  emptyObject,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseNumber,
} from '../../profiles/fold/json-value.ts';
import { type EntryList, EntryStore } from './entry-list.ts';

/** As it stands there, whatever it is. Lists of many entries are there until the next record is met, others for good. */
export type WrittenRecord = Readonly<Record<string, Made>>;

/** Told of each part when all of it was read. */
export interface Parts {
  readonly header?: (header: JsonValue) => void;
  readonly today?: (today: JsonValue) => void;
  readonly version?: (version: JsonObject) => void;
  readonly record?: (record: WrittenRecord) => void;
}

/** A value, or a list that is too long for memory. */
type Made = JsonValue | Iterable<JsonValue>;

/** An object or a list of which not all was read. */
interface Frame {
  /** For an object or a list within it. */
  open(key: string, isList: boolean): Frame;
  /** Takes what is within it, when all of that is there. Elements of lists have the key ''. */
  put(key: string, value: Made): void;
  /** All is there. */
  end(): Made;
}

/**
 * @param file a path
 * @throws {UsageError} it cannot be read, or is neither JSON nor NDJSON
 */
export async function readWrittenParts(file: string, parts: Parts): Promise<void> {
  using store = new EntryStore();
  const stack: Frame[] = [top(parts, store)];
  const keys = [''];
  const put = (value: Made): void => stack.at(-1)?.put(keys.at(-1) ?? '', value);
  const take = (token: Token): void => {
    switch (token.name) {
      case 'keyValue':
        keys[keys.length - 1] = token.value;
        return;
      case 'startObject':
      case 'startArray': {
        const frame = stack.at(-1)?.open(keys.at(-1) ?? '', token.name === 'startArray');
        if (frame !== undefined) stack.push(frame);
        keys.push('');
        return;
      }
      case 'endObject':
      case 'endArray':
        keys.pop();
        put(stack.pop()?.end() ?? null);
        return;
      default:
        put(token.name === 'numberValue' ? parseNumber(token.value) : token.value);
    }
  };
  const reading = pipe(parseFile({ jsonStreaming: true, streamValues: false }), take);
  try {
    await drain(reading(file));
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw new UsageError(`${file} is neither JSON nor NDJSON: ${message}`);
    throw new UsageError(`${file}: cannot be read: ${message}`);
  }
}

/** Of the parser's, with the options above. */
type Token =
  | { readonly name: 'startObject' | 'endObject' | 'startArray' | 'endArray' }
  | { readonly name: 'keyValue' | 'stringValue' | 'numberValue'; readonly value: string }
  | { readonly name: 'nullValue'; readonly value: null }
  | { readonly name: 'trueValue' | 'falseValue'; readonly value: boolean };

/** JSON has one object with all parts, NDJSON an object for each. */
function top(parts: Parts, store: EntryStore): Frame {
  const fail = () => {
    throw new Error('it is no object');
  };
  let isWithin = false;
  return {
    open: (_, isList) => {
      isWithin = true;
      return isList ? fail() : partsFrame(parts, store);
    },
    put: () => {
      if (!isWithin) fail();
      isWithin = false;
    },
    end: () => null,
  };
}

function partsFrame({ header, today, version, record }: Parts, store: EntryStore): Frame {
  const addVersion = (value: Made): void => version?.(value as JsonObject);
  const addRecord = (value: Made): void => {
    record?.(value as WrittenRecord);
    store.clear();
  };
  const isOne = (value: Made): boolean => isJsonObject(value as JsonValue);
  return {
    open: (key, isList) => {
      if (key === 'record' && !isList) return recordFrame(store);
      if (key === 'records' && isList) return eachOf(() => recordFrame(store), addRecord);
      return key === 'profile_versions' && isList ? eachOf(object, addVersion) : plain(key, isList);
    },
    put: (key, value) => {
      if (key === 'report') header?.(value as JsonValue);
      else if (key === 'profile_today') today?.(value as JsonValue);
      else if (key === 'profile_version' && isOne(value)) addVersion(value);
      else if (key === 'record' && isOne(value)) addRecord(value);
    },
    end: () => null,
  };
}

/** A list whose objects are taken one by one and not kept. */
function eachOf(open: () => Frame, take: (value: Made) => void): Frame {
  return {
    open: (_, isList) => (isList ? list() : open()),
    put: (_, value) => {
      if (isJsonObject(value as JsonValue)) take(value);
    },
    end: () => [],
  };
}

function recordFrame(store: EntryStore): Frame {
  const isEntries = (key: string): boolean => key === 'delivery' || key === 'feedback';
  return object((key, isList) => (isList && isEntries(key) ? entries(store.list()) : null));
}

function entries(list: EntryList): Frame {
  return {
    open: plain,
    put: (_, value) => list.push(value as JsonValue),
    end: () => list.items(),
  };
}

function plain(_key: string, isList: boolean): Frame {
  return isList ? list() : object();
}

function object(open: (key: string, isList: boolean) => Frame | null = () => null): Frame {
  const value = emptyObject() as Record<string, Made>;
  return {
    open: (key, isList) => open(key, isList) ?? plain(key, isList),
    put: (key, member) => {
      value[key] = member;
    },
    end: () => value as Made,
  };
}

function list(): Frame {
  const value: JsonValue[] = [];
  return {
    open: plain,
    put: (_, element) => {
      value.push(element as JsonValue);
    },
    end: () => value,
  };
}
