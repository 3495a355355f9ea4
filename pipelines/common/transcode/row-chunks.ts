/** Rows as bytes, in buffers that are filled one after the other: no row is copied when there is no room left. */
import { CHUNK_BYTES, type ChunkPool } from './chunk-pool.ts';

const EMPTY = Buffer.alloc(0);

export class RowChunks {
  /** Being filled, from `position` on. */
  chunk: Buffer = EMPTY;
  view: DataView = viewOf(EMPTY);
  position = 0;
  readonly #pool: ChunkPool;
  readonly #full: Buffer[] = [];
  readonly #whole: Buffer[] = [];

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  /** Makes sure that a row of so many bytes fits behind `position`. */
  reserve(bytes: number): void {
    if (this.chunk.length - this.position >= bytes) return;
    this.finish();
    this.chunk = bytes <= CHUNK_BYTES ? this.#pool.take() : Buffer.allocUnsafeSlow(bytes);
    this.view = viewOf(this.chunk);
  }

  /** Full buffers so far, without the one being filled. They stay as they are. */
  get full(): readonly Buffer[] {
    return this.#full;
  }

  /** Ends the filling: everything is in `full` afterwards. */
  finish(): void {
    if (this.position > 0) {
      this.#full.push(this.chunk.subarray(0, this.position));
      this.#whole.push(this.chunk);
    } else this.#pool.give(this.chunk);
    this.chunk = EMPTY;
    this.view = viewOf(EMPTY);
    this.position = 0;
  }

  /** Gives the buffers back: whoever got them from `full` must be done with them. */
  release(): void {
    this.finish();
    for (const chunk of this.#whole) this.#pool.give(chunk);
    this.#whole.length = 0;
    this.#full.length = 0;
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
