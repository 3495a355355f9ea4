/** What became of records. */
export interface Tally {
  rows: number;
  letters: number;
  /** Without a row, because one recorded earlier stands for them. */
  copies: number;
  /** Beyond what the pipeline had made durable, or in a gap that was accepted for it. */
  pending: number;
  /** Bad ones whose letters may have passed their retention. */
  expiredLetters: number;
  /** Rows that are in the cold tier and no longer in ClickHouse. */
  cold: number;
  /** In neither, but they may be in files of the cold tier that could not be read. */
  hidden: number;
}

export const NO_TALLY: Readonly<Tally> = {
  rows: 0,
  letters: 0,
  copies: 0,
  pending: 0,
  expiredLetters: 0,
  cold: 0,
  hidden: 0,
};
