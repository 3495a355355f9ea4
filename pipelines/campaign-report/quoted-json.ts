/**
 * JSON that ClickHouse can read without changing anything. Its functions refuse a whole document for one number beyond
 * 64 bits, and for half a surrogate pair in any text of it; others they round. So before they see a profile every number
 * is put in quotes, and every backslash goes:
 *
 *     {"a\n":[1,"x"],"b":1e400}   →   {"$a%5Cn":["#1","$x"],"$b":"#1e400"}
 *
 * Texts begin with `$`, numbers with `#`; what stands for `%`, `"` and `\` within a text is %25, %22 and %5C.
 */
import { emptyObject, isJsonObject, type JsonValue, parseJson } from '../profiles/fold/json-value.ts';

/**
 * `\\` before `\"`: within a run of backslashes two and two belong together from the left. Afterwards every quote that is
 * left begins or ends a text, and every second piece between quotes is inside of one.
 * @param column holds canonical JSON text, as the fold writes it
 */
export function quotedSql(column: string): string {
  const escaped = `replaceAll(replaceAll(replaceAll(replaceAll(${column}, '%', '%25'), '\\\\\\\\', '%5C%5C'), '\\\\"', '%22'), '\\\\', '%5C')`;
  return `arrayStringConcat(arrayMap(
    (piece, place) -> if(place % 2 = 1, replaceRegexpAll(piece, '-?[0-9][0-9.eE+-]*', '"#\\\\0"'), concat('"$', piece, '"')),
    splitByChar('"', ${escaped}) AS pieces_of_${column}, arrayEnumerate(pieces_of_${column})))`;
}

/** A key as it stands in such JSON. */
export function quotedKey(key: string): string {
  return `$${escaped(JSON.stringify(key).slice(1, -1))}`;
}

/** The key that `quotedKey` made this of. */
export function unquotedKey(key: string): string {
  return textOf(key);
}

function escaped(text: string): string {
  return text
    .replaceAll('%', '%25')
    .replaceAll('\\\\', '%5C%5C')
    .replaceAll('\\"', '%22')
    .replaceAll('\\', '%5C');
}

const ESCAPED: Readonly<Record<string, string>> = { '%25': '%', '%22': '\\"', '%5C': '\\' };

function textOf(quoted: string): string {
  const inside = quoted.slice(1).replace(/%(?:25|22|5C)/g, (sign) => ESCAPED[sign] ?? sign);
  return JSON.parse(`"${inside}"`) as string;
}

/** @param text of one value of such JSON, as ClickHouse prints it */
export function unquoted(text: string): JsonValue {
  return plainValue(JSON.parse(text) as JsonValue);
}

function plainValue(value: JsonValue): JsonValue {
  if (typeof value === 'string') return value.startsWith('#') ? parseJson(value.slice(1)) : textOf(value);
  if (Array.isArray(value)) return value.map(plainValue);
  if (!isJsonObject(value)) return value;
  const object = emptyObject();
  for (const [key, member] of Object.entries(value)) object[textOf(key)] = plainValue(member);
  return object;
}
