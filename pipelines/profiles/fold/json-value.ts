/** JSON as profiles need it: numbers keep every digit, `__proto__` is a key like any other, and one value has one text. */

export type JsonScalar = string | number | boolean | null;
export type JsonObject = { readonly [key: string]: JsonValue };
export type JsonValue = JsonScalar | RawNumber | readonly JsonValue[] | JsonObject;

/** A number that a double cannot hold without changing its digits; printed as it was written. */
export class RawNumber {
  readonly source: string;
  constructor(source: string) {
    this.source = source;
  }

  /** `JSON.stringify` prints the digits as they were written (ES2026 `JSON.rawJSON`, in Node since 21). */
  toJSON(): unknown {
    return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(this.source);
  }
}

/** ES2026 `JSON.parse` source text access (in Node since 22); TypeScript's own declaration lacks the third argument. */
type Reviver = (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown;
const parseWithSource = JSON.parse as (text: string, reviver?: Reviver) => JsonValue;

/** Only such a number can differ from what a double prints: 16 digits or more, or an exponent. */
const maybeBeyondDouble = /[\d.]{16,}|\d[eE]/;

/** Sign, digits without outer zeros, and power of ten: equal for two texts exactly when they name the same number. */
function decimal(text: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return text;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = withoutTrailingZeros(digits);
  if (significant === '') return '0';
  return `${sign}${significant}e${BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - significant.length)}`;
}

/** A loop: a pattern for the same looks at every run of zeros once from each of them, for hours where they are a million. */
function withoutTrailingZeros(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === '0') end -= 1;
  return digits.slice(0, end);
}

function keepDigits(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  return typeof value === 'number' && context.source !== undefined ? parseNumber(context.source) : value;
}

/** @param source a number as JSON writes it */
export function parseNumber(source: string): number | RawNumber {
  const value = Number(source);
  if (!maybeBeyondDouble.test(source)) return value;
  return decimal(source) === decimal(String(value)) ? value : new RawNumber(source);
}

/**
 * Parses one JSON text (RFC 8259). Of a repeated key the last value counts.
 * @throws {SyntaxError} when the text is not JSON
 */
export function parseJson(text: string): JsonValue {
  return maybeBeyondDouble.test(text) ? parseWithSource(text, keepDigits) : parseWithSource(text);
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof RawNumber)
  );
}

/** An object to build in: it has no prototype, so that assigning `__proto__` makes a key and nothing else. */
export function emptyObject(): { [key: string]: JsonValue } {
  return Object.create(null) as { [key: string]: JsonValue };
}

/** The one text of a value: keys sorted by UTF-16 code units as in RFC 8785, no white space, raw numbers as written. */
export function canonicalJson(value: JsonValue): string {
  if (value instanceof RawNumber) return value.source;
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`);
  return `{${members.join(',')}}`;
}
