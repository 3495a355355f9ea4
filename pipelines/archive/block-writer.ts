/** Fills blocks of a container file, and compresses each beside the event loop while the next is being filled. */
import { createHash } from 'node:crypto';
import { BLOCK_BYTES, framedBlock } from './container-file.ts';
import { deflate } from './deflater.ts';

/** Blocks of one file that wait for their compression; more would only hold memory. */
const MAX_UNDERWAY = 6;

/** A file of few records should not hold a whole block. */
const FIRST_CAPACITY = 16 * 1024;
const USUAL_CAPACITY = BLOCK_BYTES + 16 * 1024;

/** Buffers of the usual capacity that nobody uses now: new memory of this size costs as much as filling it. */
const idle: Buffer[] = [];
const MAX_IDLE = 32;

export interface FinishedBlocks {
  /** Framed, in order. */
  readonly parts: readonly Buffer[];
  /** Of the uncompressed records: equal content may compress to other bytes on another machine. Hex. */
  readonly contentSha256: string;
  readonly contentBytes: number;
  readonly count: number;
}

export class BlockWriter {
  /** Where the next record goes. Whoever writes one sees to room first, and calls `added` after. */
  buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_CAPACITY);
  position = 0;
  #inBlock = 0;
  #count = 0;
  #bytes = 0;
  readonly #sync: Buffer;
  readonly #content = createHash('sha256');
  readonly #blocks: Promise<Buffer[]>[] = [];

  constructor(sync: Buffer) {
    this.#sync = sync;
  }

  /** Makes room for so many more bytes; `buffer` may be another one after. */
  ensure(bytes: number): void {
    const needed = this.position + bytes;
    if (needed <= this.buffer.length) return;
    const larger = takeBuffer(Math.max(needed, this.buffer.length * 4));
    larger.set(this.buffer.subarray(0, this.position));
    giveBuffer(this.buffer);
    this.buffer = larger;
  }

  /** The bytes up to `position` are one record more. @returns true when a block is full and wants `flush` */
  added(position: number): boolean {
    this.position = position;
    this.#inBlock += 1;
    return position >= BLOCK_BYTES;
  }

  /** Hands the block over to compression. Waits when much is underway already. */
  async flush(): Promise<void> {
    this.#cut();
    const oldest = this.#blocks[this.#blocks.length - MAX_UNDERWAY];
    if (oldest !== undefined) await oldest;
  }

  async finish(): Promise<FinishedBlocks> {
    if (this.#inBlock > 0) this.#cut();
    giveBuffer(this.buffer);
    const parts = (await Promise.all(this.#blocks)).flat();
    return {
      parts,
      contentSha256: this.#content.digest('hex'),
      contentBytes: this.#bytes,
      count: this.#count,
    };
  }

  #cut(): void {
    const { buffer, position } = this;
    const data = buffer.subarray(0, position);
    const count = this.#inBlock;
    this.#content.update(data);
    this.#count += count;
    this.#bytes += position;
    const block = deflate(data).then((compressed) => {
      giveBuffer(buffer);
      return framedBlock(count, compressed, this.#sync);
    });
    // Whoever waits for it is told of a failure; if another block failed first, nobody does.
    block.catch(() => {});
    this.#blocks.push(block);
    this.buffer = takeBuffer(USUAL_CAPACITY);
    this.position = 0;
    this.#inBlock = 0;
  }
}

function takeBuffer(capacity: number): Buffer {
  if (capacity <= USUAL_CAPACITY) return idle.pop() ?? Buffer.allocUnsafeSlow(USUAL_CAPACITY);
  return Buffer.allocUnsafeSlow(capacity);
}

function giveBuffer(buffer: Buffer): void {
  if (buffer.length === USUAL_CAPACITY && idle.length < MAX_IDLE) idle.push(buffer);
}
