/** Nested plain objects addressed by paths: what YAML, the environment and overrides are before the schema has seen them. */

export interface Tree {
  [key: string]: unknown;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at the path; undefined when it or anything above it is absent. */
export function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Record<PropertyKey, unknown>)[key]
        : undefined,
    tree,
  );
}

/** Sets the value and makes the objects above it as needed. A scalar in the way is replaced: the schema faults what is left. */
export function setValue(tree: Tree, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  if (rest.length === 0) {
    define(tree, key, value);
    return;
  }
  const child = Object.hasOwn(tree, key) ? tree[key] : undefined;
  const next: Tree = isTree(child) ? child : {};
  define(tree, key, next);
  setValue(next, rest, value);
}

/** The layers as one, later ones over earlier ones. What is undefined in one says nothing. */
export function mergeTrees(...layers: readonly Tree[]): Tree {
  const merged: Tree = {};
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer)) {
      if (value === undefined) continue;
      const below = Object.hasOwn(merged, key) ? merged[key] : undefined;
      define(merged, key, isTree(value) ? mergeTrees(isTree(below) ? below : {}, value) : value);
    }
  }
  return merged;
}

/** Plain assignment would set the prototype for a key named __proto__. */
function define(tree: Tree, key: string, value: unknown): void {
  Object.defineProperty(tree, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Freezes the object and everything in it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
