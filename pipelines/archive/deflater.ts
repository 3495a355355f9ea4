/** Raw deflate beside the event loop, by compressors that are used again. */
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { constants, createDeflateRaw, type DeflateRaw, deflateRaw } from 'node:zlib';

/**
 * Part of the segment format. The fastest level, and a window of 8 KiB: it stays in the processor's first cache, and
 * what repeats in events repeats from one record to the next. Against zlib's default window a third less time, and a
 * little smaller.
 */
const SETTINGS = { level: 1, windowBits: 13, memLevel: 9 } as const;

/**
 * zlib's window is twice `windowBits` long. It looks a few bytes past the end of shorter data, and finds there what the
 * compressor was given before, so equal data would not always give equal bytes.
 */
const FILLS_WINDOW_BYTES = 2 ** (SETTINGS.windowBits + 1);

/** Output is cut from buffers of this size. */
const CHUNK_BYTES = 128 * 1024;

/** As many as can work at once, and one that is being handed its next block. */
const MOST = availableParallelism() + 1;

/** One stream that never ends: `reset` makes it new. A stream for each block costs the event loop three times as much. */
class Compressor {
  readonly #stream: DeflateRaw = createDeflateRaw({ ...SETTINGS, chunkSize: CHUNK_BYTES });
  #output: Buffer[] = [];

  constructor() {
    this.#stream.on('data', (chunk: Buffer) => this.#output.push(chunk));
  }

  async compress(data: Uint8Array): Promise<Buffer[]> {
    this.#output = [];
    await new Promise<void>((resolve, reject) => {
      this.#stream.once('error', reject);
      this.#stream.write(data);
      this.#stream.flush(constants.Z_FINISH, () => {
        this.#stream.off('error', reject);
        resolve();
      });
    });
    // Output goes straight to the listener; should the stream hold some back, it hands it over in a turn of its own.
    while (this.#stream.readableLength > 0) await new Promise(setImmediate);
    this.#stream.reset();
    return this.#output;
  }
}

const deflateOnce = promisify(deflateRaw);

const idle: Compressor[] = [];
const waiting: (() => void)[] = [];
let busy = 0;

/** @param data is read until the promise resolves @returns the compressed bytes, in pieces */
export async function deflate(data: Uint8Array): Promise<readonly Buffer[]> {
  if (data.length < FILLS_WINDOW_BYTES) return [await deflateOnce(data, SETTINGS)];
  if (busy >= MOST) await new Promise<void>((resolve) => waiting.push(resolve));
  else busy += 1;
  try {
    const compressor = idle.pop() ?? new Compressor();
    const compressed = await compressor.compress(data);
    // One that failed is not used again.
    idle.push(compressor);
    return compressed;
  } finally {
    const next = waiting.shift();
    if (next === undefined) busy -= 1;
    else next();
  }
}
