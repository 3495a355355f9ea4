/** JSON merge patch, RFC 7396: applying one, and finding the one that leads from one profile to the next. */
import { canonicalJson, emptyObject, isJsonObject, type JsonObject, type JsonValue } from './json-value.ts';

/** RFC 7396 section 2 `MergePatch(Target, Patch)` for an object patch; neither argument is changed. */
export function applyMergePatch(target: JsonValue | undefined, patch: JsonObject): JsonObject {
  const result = Object.assign(emptyObject(), isJsonObject(target) ? target : undefined);
  for (const key of Object.keys(patch)) {
    const value = patch[key] ?? null;
    if (value === null) delete result[key];
    else if (isJsonObject(value)) result[key] = applyMergePatch(result[key], value);
    else result[key] = value;
  }
  return result;
}

/** The smallest patch with `applyMergePatch(before, patch)` equal to `after`; neither may hold a null outside of arrays. */
export function mergePatchBetween(before: JsonObject, after: JsonObject): JsonObject {
  const patch = emptyObject();
  for (const key of Object.keys(before)) {
    if (!Object.hasOwn(after, key)) patch[key] = null;
  }
  for (const key of Object.keys(after)) {
    const next = after[key] ?? null;
    const previous = Object.hasOwn(before, key) ? before[key] : undefined;
    if (isJsonObject(next) && isJsonObject(previous)) {
      const inner = mergePatchBetween(previous, next);
      if (Object.keys(inner).length > 0) patch[key] = inner;
    } else if (previous === undefined || canonicalJson(previous) !== canonicalJson(next)) {
      patch[key] = next;
    }
  }
  return patch;
}
