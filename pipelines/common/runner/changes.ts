/** What must happen between two readings: whoever changes positions while records are handed out mixes old with new. */

export class Changes {
  #due: (() => void)[] = [];
  readonly #added: () => void;

  /** @param added wakes the reader */
  constructor(added: () => void) {
    this.#added = added;
  }

  get isEmpty(): boolean {
    return this.#due.length === 0;
  }

  add(change: () => void): void {
    this.#due.push(change);
    this.#added();
  }

  /** In order. What a change adds waits for the next time. */
  apply(): void {
    const due = this.#due;
    this.#due = [];
    for (const change of due) change();
  }
}
