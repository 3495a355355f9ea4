/** Which offsets of which partitions have been met: one bit for each, in pages, so that many cost little memory. */

/** Offsets a page. */
const PAGE_OFFSETS = 1024;
const WORD_BITS = 32;

export class OffsetSet {
  readonly #pages = new Map<string, Map<number, Uint32Array>>();

  /** @param partition as `partitionKey` gives it @returns false when it was there already */
  add(partition: string, offset: number): boolean {
    let pages = this.#pages.get(partition);
    if (pages === undefined) {
      pages = new Map();
      this.#pages.set(partition, pages);
    }
    const number = Math.floor(offset / PAGE_OFFSETS);
    let page = pages.get(number);
    if (page === undefined) {
      page = new Uint32Array(PAGE_OFFSETS / WORD_BITS);
      pages.set(number, page);
    }
    const at = offset % PAGE_OFFSETS;
    const word = Math.floor(at / WORD_BITS);
    const bit = 1 << (at % WORD_BITS);
    const before = page[word] ?? 0;
    page[word] = before | bit;
    return (before & bit) === 0;
  }
}
