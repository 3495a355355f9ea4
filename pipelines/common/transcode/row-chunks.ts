/** Rows as bytes, in buffers that are filled one after the other: no row is copied when there is no room left. */

const LARGEST_CHUNK_BYTES = 1024 * 1024;
const SMALLEST_CHUNK_BYTES = 16 * 1024;

export class RowChunks {
  /** Being filled, from `position` on. */
  chunk: Buffer;
  view: DataView;
  position = 0;
  readonly #full: Buffer[] = [];

  /** @param expectedBytes of all rows together; a guess is enough */
  constructor(expectedBytes: number) {
    const size = Math.min(LARGEST_CHUNK_BYTES, Math.max(SMALLEST_CHUNK_BYTES, expectedBytes));
    this.chunk = Buffer.allocUnsafeSlow(size);
    this.view = viewOf(this.chunk);
  }

  /** Makes sure that a row of so many bytes fits behind `position`. */
  reserve(bytes: number): void {
    if (this.chunk.length - this.position >= bytes) return;
    this.#close();
    this.chunk = Buffer.allocUnsafeSlow(Math.max(LARGEST_CHUNK_BYTES, bytes));
    this.view = viewOf(this.chunk);
  }

  /** Full buffers so far, without the one being filled. They stay as they are. */
  get full(): readonly Buffer[] {
    return this.#full;
  }

  /** Ends the filling: everything is in `full` afterwards. */
  finish(): void {
    this.#close();
    this.chunk = Buffer.alloc(0);
    this.view = viewOf(this.chunk);
  }

  #close(): void {
    if (this.position > 0) this.#full.push(this.chunk.subarray(0, this.position));
    this.position = 0;
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
