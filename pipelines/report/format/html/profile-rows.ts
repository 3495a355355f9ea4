/** A profile as rows that can be read beside those of another version: a row for each innermost value. */
import {
  canonicalJson,
  isJsonObject,
  type JsonObject,
  type JsonValue,
} from '../../../profiles/fold/json-value.ts';
import type { ProfileRef, ReportedVersion } from '../../report.ts';

export interface ProfileRow {
  readonly path: readonly string[];
  readonly text: string;
  /** The same for equal paths, and for equal values, on the whole page: what is shown of two that differ may look alike. */
  readonly pathId: number;
  readonly valueId: number;
}

/** Null: not there. */
export interface ProfileChange {
  readonly path: readonly string[];
  readonly before: string | null;
  readonly after: string | null;
}

type Rows = ReadonlyMap<number, ProfileRow>;

const NO_ROWS: Rows = new Map();

export class ProfileRows {
  readonly #versions: Map<string, { readonly index: number; readonly version: ReportedVersion }>;
  readonly #rows = new Map<JsonObject, Rows>();
  readonly #pathIds = new Map<string, number>();
  readonly #valueIds = new Map<string, number>();

  constructor(versions: readonly ReportedVersion[]) {
    this.#versions = new Map(versions.map((version, index) => [version.valid_from, { index, version }]));
  }

  /** Its place among the report's versions; null where there is none. */
  indexOf({ valid_from }: ProfileRef): number | null {
    return this.#versions.get(valid_from ?? '')?.index ?? null;
  }

  /** None where there is no profile. */
  at({ valid_from }: ProfileRef): Rows {
    const found = this.#versions.get(valid_from ?? '');
    return found === undefined ? NO_ROWS : this.of(found.version.attributes);
  }

  /** In the order of their paths, so that two versions read alike. */
  of(attributes: JsonObject): Rows {
    const known = this.#rows.get(attributes);
    if (known !== undefined) return known;
    const rows = [...leaves(attributes, [])]
      .map(({ path, value }) => ({
        path,
        text: valueText(value),
        pathId: idIn(this.#pathIds, JSON.stringify(path)),
        valueId: idIn(this.#valueIds, canonicalJson(value)),
      }))
      .sort((a, b) => comparePaths(a.path, b.path));
    const made = new Map(rows.map((row) => [row.pathId, row]));
    this.#rows.set(attributes, made);
    return made;
  }
}

export function changesBetween(before: Rows, after: Rows): ProfileChange[] {
  const changes: ProfileChange[] = [];
  for (const { pathId, path, valueId, text } of after.values()) {
    const old = before.get(pathId);
    if (old?.valueId !== valueId) changes.push({ path, before: old?.text ?? null, after: text });
  }
  for (const { pathId, path, text } of before.values())
    if (!after.has(pathId)) changes.push({ path, before: text, after: null });
  return changes.sort((a, b) => comparePaths(a.path, b.path));
}

function* leaves(
  object: JsonObject,
  above: readonly string[],
): Generator<{ path: readonly string[]; value: JsonValue }> {
  for (const key of Object.keys(object)) {
    const value = object[key] ?? null;
    const path = [...above, key];
    if (isJsonObject(value) && Object.keys(value).length > 0) yield* leaves(value, path);
    else yield { path, value };
  }
}

/** Text as it is, except where it could be taken for something else: the text `5` beside the number, blanks at its ends. */
function valueText(value: JsonValue): string {
  if (typeof value !== 'string') return canonicalJson(value);
  return /^$|^\s|\s$|^["[{]|^-?\d[\d.eE+-]*$|^(?:true|false|null)$/.test(value)
    ? JSON.stringify(value)
    : value;
}

function comparePaths(a: readonly string[], b: readonly string[]): number {
  for (const [index, key] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (key !== other) return key < other ? -1 : 1;
  }
  return a.length - b.length;
}

function idIn(ids: Map<string, number>, text: string): number {
  const known = ids.get(text);
  if (known !== undefined) return known;
  ids.set(text, ids.size);
  return ids.size - 1;
}
