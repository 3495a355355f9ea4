/** Tells whether a payload is exactly one value of its writer schema, without building the value. */
import type avsc from 'avsc';
import { PAYLOAD_FAULTS, type PayloadFault, ScanState } from './scan-runtime.ts';
import { type GeneratedScan, generateScan } from './scanner-code.ts';

export { PAYLOAD_FAULTS, type PayloadFault } from './scan-runtime.ts';

export interface ScanFault {
  readonly code: PayloadFault;
  /** Index into the scanned bytes at which reading could not go on. */
  readonly position: number;
  /** Field in which it stands: `attributes{key}`, `links[].url`; empty for the value as a whole. */
  readonly path: string;
}

/**
 * Stricter than single readers are, so that whoever reads a segment can read all of it: numbers within their types,
 * booleans 0 or 1, strings of UTF-8, blocks of the size they state, nesting and items without bytes bounded. Work and
 * memory are bounded by the payload's own size, whatever its lengths say.
 */
export class PayloadScanner {
  readonly #state = new ScanState();
  readonly #paths: readonly string[];
  readonly #scan: GeneratedScan;
  #source: Uint8Array | null = null;
  #view: DataView = new DataView(new ArrayBuffer(0));

  /**
   * @param timeFields see `eventTime`
   * @throws {RangeError} when the schema is nested too deep
   */
  constructor(type: avsc.Type, { timeFields = [] }: { timeFields?: readonly string[] } = {}) {
    const { code, paths } = generateScan(type, timeFields);
    this.#paths = paths;
    this.#scan = new Function('S', code)(this.#state) as GeneratedScan;
  }

  /** True when `source[from, to)` is exactly one value. */
  scan(source: Uint8Array, from: number, to: number): boolean {
    const end = this.endOf(source, from, to);
    if (end === to) return true;
    if (end >= 0) this.#state.fail('bytes_left_over', -1, end);
    return false;
  }

  /** The position behind the value that begins at `from`, or -1 when there is none before `limit`. */
  endOf(source: Uint8Array, from: number, limit: number): number {
    if (source !== this.#source) {
      this.#view = new DataView(source.buffer, source.byteOffset, source.byteLength);
      this.#source = source;
    }
    this.#state.time = Number.NaN;
    this.#state.emptyItems = 0;
    return this.#scan(source, this.#view, from, limit);
  }

  /** Milliseconds in the first of `timeFields` that the schema's record has as a long; NaN when the value has none. */
  get eventTime(): number {
    return this.#state.time;
  }

  /** What was wrong, after `scan` returned false. */
  get fault(): ScanFault {
    const { fault: code, faultPosition: position, faultSite } = this.#state;
    return { code, position, path: this.#paths[faultSite] ?? '' };
  }

  /** The last fault as a sentence. @param from where the payload began, so that the byte is counted from there */
  explainFault(from: number): string {
    const { code, position, path } = this.fault;
    return `${PAYLOAD_FAULTS[code]} (payload byte ${position - from}${path === '' ? '' : `, field ${path}`})`;
  }
}
