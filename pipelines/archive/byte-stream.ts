/** Takes bytes off a stream in the sizes that a format asks for, and holds no more than one of them and one chunk. */

export class ByteStream {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);
  #isEnded = false;
  /** Bytes taken so far. */
  position = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** @returns null when fewer are left */
  async take(size: number): Promise<Buffer | null> {
    await this.#fill(size);
    if (this.#held.length < size) return null;
    const taken = this.#held.subarray(0, size);
    this.#held = this.#held.subarray(size);
    this.position += size;
    return taken;
  }

  /** Up to so many bytes, fewer only at the end; they are not taken. */
  async peek(size: number): Promise<Buffer> {
    await this.#fill(size);
    return this.#held.subarray(0, size);
  }

  async isAtEnd(): Promise<boolean> {
    return (await this.peek(1)).length === 0;
  }

  /** Lets go of the source, which may be a connection. */
  async close(): Promise<void> {
    this.#isEnded = true;
    await this.#chunks.return?.();
  }

  async #fill(size: number): Promise<void> {
    if (this.#held.length >= size) return;
    const parts: Uint8Array[] = [this.#held];
    let length = this.#held.length;
    while (length < size && !this.#isEnded) {
      const { done, value } = await this.#chunks.next();
      if (done === true) this.#isEnded = true;
      else {
        parts.push(value);
        length += value.length;
      }
    }
    this.#held = Buffer.concat(parts);
  }
}
