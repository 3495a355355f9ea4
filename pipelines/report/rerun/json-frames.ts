/** JSON taken token by token: what has no end yet is a frame, and each decides what becomes of what stands within it. */
import {
  emptyObject,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseNumber,
} from '../../profiles/fold/json-value.ts';

/** A value, or a list that is too long for memory. */
export type Made = JsonValue | Iterable<JsonValue>;

/** An object or a list of which not all was read. */
export interface Frame {
  /** A member of an object is next. */
  member?(key: string): void;
  /** For an object or a list within it. Elements of lists have the key ''. */
  open(key: string, isList: boolean): Frame;
  /** Takes what is within it, when all of that is there. */
  put(key: string, value: Made): void;
  /** All is there. @returns what is put where it stands; undefined: nothing */
  end(): Made | undefined;
}

/** As stream-json's parser makes them when it is to pack values and not to stream them. */
export type Token =
  | { readonly name: 'startObject' | 'endObject' | 'startArray' | 'endArray' }
  | { readonly name: 'keyValue' | 'stringValue' | 'numberValue'; readonly value: string }
  | { readonly name: 'nullValue'; readonly value: null }
  | { readonly name: 'trueValue' | 'falseValue'; readonly value: boolean };

export class TokenReader {
  /** From the outermost to the innermost, each with its member that is read. */
  readonly #open: { readonly frame: Frame; key: string }[];

  constructor(outermost: Frame) {
    this.#open = [{ frame: outermost, key: '' }];
  }

  take(token: Token): void {
    const innermost = this.#open.at(-1);
    if (innermost === undefined) return;
    const { frame, key } = innermost;
    switch (token.name) {
      case 'keyValue':
        frame.member?.(token.value);
        innermost.key = token.value;
        return;
      case 'startObject':
      case 'startArray':
        this.#open.push({ frame: frame.open(key, token.name === 'startArray'), key: '' });
        return;
      case 'endObject':
      case 'endArray': {
        this.#open.pop();
        const value = frame.end();
        if (value !== undefined) this.#put(value);
        return;
      }
      default:
        this.#put(token.name === 'numberValue' ? parseNumber(token.value) : token.value);
    }
  }

  #put(value: Made): void {
    const around = this.#open.at(-1);
    around?.frame.put(around.key, value);
  }
}

/** Of a key that occurs again the last value counts. */
export function object(open: (key: string, isList: boolean) => Frame = plain): Frame {
  const value = emptyObject() as Record<string, Made>;
  return {
    open,
    put: (key, member) => {
      value[key] = member;
    },
    end: () => value as Made,
  };
}

export function list(): Frame {
  const value: JsonValue[] = [];
  return {
    open: plain,
    put: (_, element) => {
      value.push(element as JsonValue);
    },
    end: () => value,
  };
}

export function plain(_key: string, isList: boolean): Frame {
  return isList ? list() : object();
}

/** A list whose objects are taken one by one and not kept. */
export function eachOf(open: () => Frame, take: (value: JsonObject) => void): Frame {
  return {
    open: (_, isList) => (isList ? list() : open()),
    put: (_, value) => {
      if (isJsonObject(value as JsonValue)) take(value as JsonObject);
    },
    end: () => undefined,
  };
}
