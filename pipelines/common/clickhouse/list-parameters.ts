/** Lists of texts as parameters of a query: in portions that every server takes. */

/**
 * Bytes of texts in one parameter. A server refuses one beyond 128 KiB (`http_max_field_value_size`), in the URL and in
 * a form alike, and its answer is that of a failed service: a list that grew too long would be tried again for ever.
 * Escaping can double a text.
 */
const MOST_BYTES = 56 * 1024;
/** Quotes, brackets and commas around the texts of one item: `('…','…'),`. */
const ITEM_BYTES = 8;

/** @param textsOf what stands of an item in the parameter; at most two texts @param most items in one portion */
export function* portions<Item>(
  items: Iterable<Item>,
  textsOf: (item: Item) => readonly string[],
  most = Number.POSITIVE_INFINITY,
): Generator<Item[]> {
  let portion: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = textsOf(item).reduce((sum, text) => sum + Buffer.byteLength(text), ITEM_BYTES);
    if (portion.length > 0 && (bytes + size > MOST_BYTES || portion.length >= most)) {
      yield portion;
      [portion, bytes] = [[], 0];
    }
    portion.push(item);
    bytes += size;
  }
  if (portion.length > 0) yield portion;
}
