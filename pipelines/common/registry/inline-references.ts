/** Puts the definitions of referenced schemas into the schema that uses them, so that it can be read by itself. */

/** An Avro schema as parsed JSON. Nothing is promised about its shape: it comes from outside. */
export type AvroJson = string | readonly AvroJson[] | { readonly [key: string]: unknown };

const NAMED_TYPES = new Set(['record', 'error', 'enum', 'fixed']);
const PRIMITIVES = new Set(['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string']);
/** Types of an object that is itself the type, with attributes of its own. */
const COMPLEX = new Set(['array', 'map', ...NAMED_TYPES, ...PRIMITIVES]);

interface Definition {
  readonly json: { readonly [key: string]: unknown };
  readonly namespace: string;
}

/** Avro's rule: a name with a dot is a full name; else it stands in the namespace around it. */
function fullNameOf(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name.replace(/^\./, '') : `${namespace}.${name}`;
}

function namespaceOf(fullName: string): string {
  return fullName.slice(0, Math.max(0, fullName.lastIndexOf('.')));
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The full name of a definition, or null when the object is not one. */
function definedName(json: { readonly [key: string]: unknown }, around: string): string | null {
  if (typeof json.type !== 'string' || !NAMED_TYPES.has(json.type) || typeof json.name !== 'string')
    return null;
  return fullNameOf(json.name, typeof json.namespace === 'string' ? json.namespace : around);
}

/** Every named type defined in a document, by full name. */
function definitionsIn(root: unknown): Map<string, Definition> {
  const found = new Map<string, Definition>();
  const visit = (node: unknown, around: string): void => {
    if (Array.isArray(node)) {
      for (const branch of node) visit(branch, around);
    } else if (isObject(node)) {
      const name = definedName(node, around);
      const inside = name === null ? around : namespaceOf(name);
      if (name !== null) found.set(name, { json: node, namespace: inside });
      if (Array.isArray(node.fields)) {
        for (const field of node.fields) if (isObject(field)) visit(field.type, inside);
      }
      for (const key of ['type', 'items', 'values'])
        if (typeof node[key] === 'object') visit(node[key], inside);
    }
  };
  visit(root, '');
  return found;
}

/**
 * The first use of each referenced type becomes its definition, every later one its name, as Avro asks for.
 * @param root the schema that uses the others
 * @param references the documents it refers to, directly or through one another
 */
export function inlineReferences(root: unknown, references: readonly unknown[]): unknown {
  if (references.length === 0) return root;
  const known = new Map<string, Definition>();
  for (const document of references) for (const [name, one] of definitionsIn(document)) known.set(name, one);
  const own = definitionsIn(root);
  const written = new Set<string>();

  const visit = (node: unknown, around: string): unknown => {
    if (typeof node === 'string') return visitName(node, around);
    if (Array.isArray(node)) return node.map((branch) => visit(branch, around));
    return isObject(node) ? visitObject(node, around) : node;
  };

  const visitName = (name: string, around: string): unknown => {
    if (PRIMITIVES.has(name)) return name;
    const fullName = fullNameOf(name, around);
    const definition = known.get(fullName);
    if (written.has(fullName) || own.has(fullName) || definition === undefined) return name;
    return visitObject(
      { ...definition.json, name: simpleName(fullName), namespace: definition.namespace },
      around,
    );
  };

  const visitObject = (node: { readonly [key: string]: unknown }, around: string): unknown => {
    const name = definedName(node, around);
    if (name !== null && written.has(name)) return name;
    if (name !== null) written.add(name);
    const inside = name === null ? around : namespaceOf(name);
    const copy: Record<string, unknown> = { ...node };
    // `{"type": "x.Name"}` says no more than `"x.Name"`, and not every reader takes it.
    if (name === null && typeof node.type === 'string' && !COMPLEX.has(node.type)) {
      return visitName(node.type, around);
    }
    if (typeof node.type === 'object') copy.type = visit(node.type, inside);
    if (Array.isArray(node.fields)) {
      copy.fields = node.fields.map((field) =>
        isObject(field) ? { ...field, type: visit(field.type, inside) } : field,
      );
    }
    if ('items' in node) copy.items = visit(node.items, inside);
    if ('values' in node) copy.values = visit(node.values, inside);
    return copy;
  };

  return visit(root, '');
}

function simpleName(fullName: string): string {
  return fullName.slice(fullName.lastIndexOf('.') + 1);
}
