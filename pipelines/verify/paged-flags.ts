/** Two bits for each of any number of offsets, in bounded memory: pages that are not in use wait in a sparse file. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Offsets of one page, which has a byte for four of them. */
const PAGE_OFFSETS = 64 * 1024;
const PAGE_BYTES = PAGE_OFFSETS / 4;
/** 32 MiB. */
const PAGES_IN_MEMORY = 2_048;

export type Flag = 0 | 1 | 2 | 3;

export class PagedFlags {
  readonly #pagesInMemory: number;
  /** In the order of their last use. */
  readonly #pages = new Map<string, Buffer>();
  /** Where in the file a page lies that was moved out of memory at some time. */
  readonly #places = new Map<string, number>();
  #file: number | null = null;

  constructor({ pagesInMemory = PAGES_IN_MEMORY }: { pagesInMemory?: number } = {}) {
    this.#pagesInMemory = pagesInMemory;
  }

  get(key: string, offset: number): Flag {
    const page = this.#page(key, Math.floor(offset / PAGE_OFFSETS), false);
    if (page === null) return 0;
    const at = offset % PAGE_OFFSETS;
    return (((page[at >> 2] as number) >> ((at & 3) * 2)) & 3) as Flag;
  }

  set(key: string, offset: number, flag: Flag): void {
    const page = this.#page(key, Math.floor(offset / PAGE_OFFSETS), flag !== 0);
    if (page === null) return;
    const at = offset % PAGE_OFFSETS;
    const shift = (at & 3) * 2;
    page[at >> 2] = ((page[at >> 2] as number) & ~(3 << shift)) | (flag << shift);
  }

  /** Every offset of the key whose flag is not 0, ascending. */
  *offsets(key: string): Generator<number> {
    const names = new Set([...this.#pages.keys(), ...this.#places.keys()]);
    const numbers = [...names].flatMap((name) => {
      const [pageKey, number] = name.split('#');
      return pageKey === key ? [Number(number)] : [];
    });
    for (const number of numbers.sort((a, b) => a - b)) {
      const page = Buffer.from(this.#page(key, number, false) ?? Buffer.alloc(0));
      for (let at = 0; at < page.length * 4; at += 1)
        if ((((page[at >> 2] as number) >> ((at & 3) * 2)) & 3) !== 0) yield number * PAGE_OFFSETS + at;
    }
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #page(key: string, number: number, isWanted: boolean): Buffer | null {
    const name = `${key}#${number}`;
    const held = this.#pages.get(name);
    if (held !== undefined) {
      this.#pages.delete(name);
      this.#pages.set(name, held);
      return held;
    }
    const place = this.#places.get(name);
    if (place === undefined && !isWanted) return null;
    this.#makeRoom();
    const page = Buffer.alloc(PAGE_BYTES);
    if (place !== undefined && this.#file !== null) readSync(this.#file, page, 0, PAGE_BYTES, place);
    this.#pages.set(name, page);
    return page;
  }

  #makeRoom(): void {
    if (this.#pages.size < this.#pagesInMemory) return;
    const [oldest] = this.#pages;
    if (oldest === undefined) return;
    const [name, page] = oldest;
    const place = this.#places.get(name) ?? this.#places.size * PAGE_BYTES;
    this.#file ??= openFile();
    writeSync(this.#file, page, 0, PAGE_BYTES, place);
    this.#places.set(name, place);
    this.#pages.delete(name);
  }
}

/** Its name is taken away at once: nothing is left of it, however the process ends. */
function openFile(): number {
  const folder = mkdtempSync(join(tmpdir(), 'campaign-ledger-verify-'));
  const descriptor = openSync(join(folder, 'flags'), 'w+', 0o600);
  rmSync(folder, { recursive: true });
  return descriptor;
}
