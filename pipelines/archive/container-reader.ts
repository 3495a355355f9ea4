/** Reads Avro object container files block by block, and says so when a file is cut off or altered. */
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { readLong } from '../common/avro/varint.ts';
import { ByteStream } from './byte-stream.ts';
import { MAGIC, SYNC_BYTES } from './container-file.ts';

/** The file is not what was written. Nothing is wrong with the store. */
export class DamagedFile extends Error {
  override readonly name = 'DamagedFile';
}

/** What a header, all of it, or a block may take: far above anything written, far below what a forged length asks for. */
const MAX_HEADER_BYTES = 64 * 1024 * 1024;
const MAX_BLOCK_BYTES = 256 * 1024 * 1024;
const MAX_METADATA_KEYS = 1_000;

const inflate = promisify(inflateRaw);

export interface ContainerBlock {
  /** Records in it. */
  readonly count: number;
  /** Uncompressed. */
  readonly data: Buffer;
  /** Where the block begins in the file. */
  readonly position: number;
}

export class ContainerReader {
  readonly metadata: ReadonlyMap<string, Buffer>;
  readonly #bytes: ByteStream;
  readonly #sync: Buffer;
  readonly #isDeflated: boolean;

  private constructor(bytes: ByteStream, metadata: ReadonlyMap<string, Buffer>, sync: Buffer) {
    this.#bytes = bytes;
    this.metadata = metadata;
    this.#sync = sync;
    const codec = metadata.get('avro.codec')?.toString() ?? 'null';
    if (codec !== 'deflate' && codec !== 'null') throw new DamagedFile(`unknown codec '${codec}'`);
    this.#isDeflated = codec === 'deflate';
  }

  /** @throws {DamagedFile} when it does not begin as a container file does */
  static async open(source: AsyncIterable<Uint8Array>): Promise<ContainerReader> {
    const bytes = new ByteStream(source);
    const magic = await bytes.take(MAGIC.length);
    if (magic === null || !magic.equals(MAGIC)) throw new DamagedFile('not an Avro container file');
    const metadata = await readMetadata(bytes);
    return new ContainerReader(bytes, metadata, await required(bytes, SYNC_BYTES, 'the header'));
  }

  /** All blocks to the end of the file. @throws {DamagedFile} when the file ends early or a block is not whole */
  async *blocks(): AsyncGenerator<ContainerBlock> {
    try {
      while (!(await this.#bytes.isAtEnd())) yield await this.#block();
    } finally {
      await this.#bytes.close();
    }
  }

  /** For those who want the header only. */
  async close(): Promise<void> {
    await this.#bytes.close();
  }

  async #block(): Promise<ContainerBlock> {
    const { position } = this.#bytes;
    const where = `the block at byte ${position}`;
    const count = await requiredLong(this.#bytes, where);
    const size = await requiredLong(this.#bytes, where);
    if (count < 0 || size < 0 || size > MAX_BLOCK_BYTES) {
      throw new DamagedFile(`${where} states an impossible size`);
    }
    const data = await required(this.#bytes, size, where);
    const sync = await required(this.#bytes, SYNC_BYTES, where);
    if (!sync.equals(this.#sync)) throw new DamagedFile(`${where} does not end with the file's sync marker`);
    return { count, data: this.#isDeflated ? await inflated(data, where) : data, position };
  }
}

async function readMetadata(bytes: ByteStream): Promise<Map<string, Buffer>> {
  const metadata = new Map<string, Buffer>();
  for (;;) {
    let count = await requiredLong(bytes, 'the header');
    if (count === 0) return metadata;
    if (count < 0) {
      count = -count;
      await requiredLong(bytes, 'the header');
    }
    for (let index = 0; index < count; index++) {
      const key = await headerBytes(bytes);
      metadata.set(key.toString(), await headerBytes(bytes));
      if (metadata.size > MAX_METADATA_KEYS) throw new DamagedFile('the header has too many entries');
    }
  }
}

async function headerBytes(bytes: ByteStream): Promise<Buffer> {
  const size = await requiredLong(bytes, 'the header');
  if (size < 0 || bytes.position + size > MAX_HEADER_BYTES)
    throw new DamagedFile('the header states an impossible size');
  return required(bytes, size, 'the header');
}

async function required(bytes: ByteStream, size: number, where: string): Promise<Buffer> {
  const found = await bytes.take(size);
  if (found === null)
    throw new DamagedFile(`the file ends in the middle of ${where}, after ${bytes.position} bytes`);
  return found;
}

async function requiredLong(bytes: ByteStream, where: string): Promise<number> {
  const cursor = { position: 0 };
  const found = await bytes.peek(10);
  const value = readLong(found, cursor, found.length);
  if (Number.isNaN(value)) {
    throw new DamagedFile(
      found.length < 10
        ? `the file ends in the middle of ${where}`
        : `${where} holds no number where one belongs`,
    );
  }
  await bytes.take(cursor.position);
  return value;
}

async function inflated(data: Buffer, where: string): Promise<Buffer> {
  try {
    return await inflate(data, { maxOutputLength: MAX_BLOCK_BYTES });
  } catch (error) {
    throw new DamagedFile(`${where} cannot be decompressed: ${(error as Error).message}`, { cause: error });
  }
}
