/**
 * Counts of what happened when, in as many spans of time as a picture can tell apart, however long the whole turns out to
 * be: the spans are doubled whenever there would be too many of them. So one pass over any number of records is enough.
 * Spans in which nothing happened are not kept: a time decades away (a wrong clock) costs one, and makes none wider.
 */
import { type Bulk, bulkOf } from './time-bulk.ts';

/** Spans that a picture of a thousand pixels tells apart: between half as many and all of them are in use. */
const MOST_BINS = 240;
/** Kept, over all series: enough for the picture's where some lie outside of it. */
const MOST_KEPT = 2 * MOST_BINS;
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

/** What lies too far away to be drawn; null: nothing. */
export interface Outside {
  readonly before: Bin | null;
  readonly after: Bin | null;
}

export class TimeBins {
  readonly #series = new Map<string, Map<number, Bin>>();
  /** Of all series. */
  #all = new Map<number, Bin>();
  #width = FIRST_WIDTH;
  #bulk: Bulk | null = null;

  add(series: string, time: number, record: number): void {
    this.#bulk = null;
    const bins = this.#series.get(series) ?? new Map<number, Bin>();
    this.#series.set(series, bins);
    const index = Math.floor(time / this.#width);
    addTo(bins, index, { count: 1, first: time, last: time, record });
    addTo(this.#all, index, { count: 1, first: time, last: time, record });
    while (this.#all.size > MOST_KEPT) this.#double();
  }

  /** What is drawn, from its first time to its last; null when there was none. */
  get extent(): readonly [number, number] | null {
    return this.#all.size === 0 ? null : [this.#drawn.first, this.#drawn.last];
  }

  /**
   * Of what is drawn, oldest first.
   * @param together how many spans are told as one, where what is drawn of each takes more room
   */
  bins(series: string, together = 1): Bin[] {
    const { first, last } = this.#drawn;
    let kept = together;
    for (let width = this.#width; (last - first) / width > MOST_BINS; width *= 2) kept *= 2;
    const bins = new Map<number, Bin>();
    for (const [index, bin] of this.#series.get(series) ?? [])
      if (bin.first >= first && bin.last <= last) addTo(bins, Math.floor(index / kept), { ...bin });
    return [...bins.values()].sort((a, b) => a.first - b.first);
  }

  /** Of what is not drawn, on either side. */
  outside(series: string): Outside {
    const { first, last } = this.#drawn;
    const bins = [...(this.#series.get(series)?.values() ?? [])];
    return {
      before: joined(bins.filter((bin) => bin.last < first)),
      after: joined(bins.filter((bin) => bin.first > last)),
    };
  }

  get #drawn(): Bulk {
    this.#bulk ??= bulkOf([...this.#all.values()].sort((a, b) => a.first - b.first));
    return this.#bulk;
  }

  #double(): void {
    this.#width *= 2;
    this.#all = wider(this.#all, this.#width);
    for (const [series, bins] of this.#series) this.#series.set(series, wider(bins, this.#width));
  }
}

/** Several as one; null when there are none. */
export function joined(bins: readonly Bin[]): Bin | null {
  const all = new Map<number, Bin>();
  for (const bin of bins) addTo(all, 0, { ...bin });
  return all.get(0) ?? null;
}

function wider(bins: ReadonlyMap<number, Bin>, width: number): Map<number, Bin> {
  const made = new Map<number, Bin>();
  for (const bin of bins.values()) addTo(made, Math.floor(bin.first / width), bin);
  return made;
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
