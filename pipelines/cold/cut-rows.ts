/** One sorted sequence of rows as several, each with whole owners. */
import { type ColdRow, type ColdTable, compareOwners, ownerOf } from './cold-table.ts';

/** One after another: the next is begun when the one before it has ended. */
export class RowCutter {
  readonly #table: ColdTable;
  readonly #rows: AsyncGenerator<readonly ColdRow[]>;
  readonly #fileRows: number;
  #rest: readonly ColdRow[] = [];

  constructor(table: ColdTable, rows: AsyncGenerator<readonly ColdRow[]>, fileRows: number) {
    this.#table = table;
    this.#rows = rows;
    this.#fileRows = fileRows;
  }

  /** The rows of the next one; none where there are no more. */
  async *next(): AsyncGenerator<readonly ColdRow[]> {
    let count = 0;
    let last: ColdRow | undefined;
    for (let rows = await this.#some(); rows !== null; rows = await this.#some()) {
      const end = this.#endOf(rows, count, last);
      if (end > 0) yield rows.slice(0, end);
      this.#rest = rows.slice(end);
      if (this.#rest.length > 0) return;
      count += end;
      last = rows.at(-1);
    }
  }

  /** Where not all of them were wanted: what they come from is let go. */
  async close(): Promise<void> {
    await this.#rows.return(undefined);
  }

  /** Up to where the rows go into the file that has `count` already, the last of them as given. */
  #endOf(rows: readonly ColdRow[], count: number, last: ColdRow | undefined): number {
    for (let index = Math.max(0, this.#fileRows - count); index < rows.length; index += 1) {
      const before = rows[index - 1] ?? last;
      if (before === undefined) continue;
      const [a, b] = [ownerOf(this.#table, before), ownerOf(this.#table, rows[index] as ColdRow)];
      if (compareOwners(a, b) !== 0) return index;
    }
    return rows.length;
  }

  async #some(): Promise<readonly ColdRow[] | null> {
    if (this.#rest.length > 0) {
      const rest = this.#rest;
      this.#rest = [];
      return rest;
    }
    const { done, value } = await this.#rows.next();
    return done === true ? null : value;
  }
}
