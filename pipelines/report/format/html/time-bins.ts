/**
 * Counts of what happened when, in as many spans of time as a picture can tell apart, however long the whole turns out to
 * be: the spans are doubled whenever there would be more of them. So one pass over any number of records is enough.
 */

/** Spans that a picture of a thousand pixels tells apart: between half as many and all of them are in use. */
const MOST_BINS = 240;
/** Milliseconds: what is closer than this is one to the eye anyway. */
const FIRST_WIDTH = 1000;

export interface Bin {
  count: number;
  /** Milliseconds since the epoch. */
  first: number;
  last: number;
  /** The number of the first record in it. */
  record: number;
}

export class TimeBins {
  readonly #series = new Map<string, Map<number, Bin>>();
  #width = FIRST_WIDTH;
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;

  add(series: string, time: number, record: number): void {
    this.#first = Math.min(this.#first, time);
    this.#last = Math.max(this.#last, time);
    while ((this.#last - this.#first) / this.#width > MOST_BINS) this.#double();
    const bins = this.#series.get(series) ?? new Map<number, Bin>();
    this.#series.set(series, bins);
    addTo(bins, Math.floor(time / this.#width), { count: 1, first: time, last: time, record });
  }

  /** From the first time to the last; null when there was none. */
  get extent(): readonly [number, number] | null {
    return this.#first > this.#last ? null : [this.#first, this.#last];
  }

  /**
   * Oldest first.
   * @param together how many spans are told as one, where what is drawn of each takes more room
   */
  bins(series: string, together = 1): Bin[] {
    const bins = new Map<number, Bin>();
    for (const [index, bin] of this.#series.get(series) ?? [])
      addTo(bins, Math.floor(index / together), { ...bin });
    return [...bins.values()].sort((a, b) => a.first - b.first);
  }

  #double(): void {
    this.#width *= 2;
    for (const [series, bins] of this.#series) {
      const wider = new Map<number, Bin>();
      for (const bin of bins.values()) addTo(wider, Math.floor(bin.first / this.#width), bin);
      this.#series.set(series, wider);
    }
  }
}

function addTo(bins: Map<number, Bin>, index: number, added: Bin): void {
  const bin = bins.get(index);
  if (bin === undefined) {
    bins.set(index, added);
    return;
  }
  bin.count += added.count;
  bin.first = Math.min(bin.first, added.first);
  bin.last = Math.max(bin.last, added.last);
  bin.record = Math.min(bin.record, added.record);
}
