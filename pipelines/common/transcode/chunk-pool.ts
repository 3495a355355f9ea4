/** Buffers that are used again: each new one of their size makes the collector run, and its memory stays until the next run. */

/** All of the pool have this size. */
export const CHUNK_BYTES = 256 * 1024;

/** Of the rows of one flush, with room for those of a large one. */
const MOST_FREE = 64;

export class ChunkPool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  }

  /** Nobody may look at the buffer any more. Others than those of the pool are left to the collector. */
  give(buffer: Buffer): void {
    const isWhole = buffer.length === CHUNK_BYTES;
    if (isWhole && this.#free.length < MOST_FREE) this.#free.push(buffer);
  }
}
