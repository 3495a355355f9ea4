/** What the cold tier keeps of each table: the columns of its Parquet files, and the order of their rows. */

/** `instant`: milliseconds since the epoch, UTC. `integer`: 64 bits. `texts`: a map of text to text. */
export type ColumnKind = 'text' | 'instant' | 'boolean' | 'double' | 'integer' | 'unsigned' | 'texts';

export interface ColdColumn {
  readonly name: string;
  readonly kind: ColumnKind;
  readonly isNullable: boolean;
}

/** An instant is a number, an integer a bigint. */
export type ColdValue = string | number | bigint | boolean | null | Readonly<Record<string, string>>;

/** The values of a row in the order of the table's columns. */
export type ColdRow = readonly ColdValue[];

export interface ColdTable {
  readonly name: 'events' | 'profile_changes' | 'campaigns';
  readonly columns: readonly ColdColumn[];
  /** Text: rows of one owner lie together, ordered by the bytes of UTF-8. Tenant and user, or tenant and campaign. */
  readonly owner: readonly [number, number];
  /** Behind the owner. Where a row was read from comes last: no two rows are equal in all of it. */
  readonly order: readonly number[];
}

const column =
  (kind: ColumnKind, isNullable: boolean) =>
  (name: string): ColdColumn => ({ name, kind, isNullable });
const text = column('text', false);
const textOrNull = column('text', true);
const instant = column('instant', false);
const instantOrNull = column('instant', true);
const source = [text('source'), column('unsigned', false)('offset'), instant('recorded_at')];

function table<Name extends ColdTable['name']>(
  name: Name,
  owner: readonly [string, string],
  by: string,
  columns: readonly ColdColumn[],
): ColdTable & { readonly name: Name } {
  const at = (wanted: string): number => {
    const index = columns.findIndex((one) => one.name === wanted);
    if (index < 0) throw new Error(`${name} has no column ${wanted}`);
    return index;
  };
  const order = [by, 'source', 'offset'].map(at);
  return { name, columns, owner: [at(owner[0]), at(owner[1])], order };
}

export const EVENTS = table('events', ['tenant_id', 'user_id'], 'occurred_at', [
  text('tenant_id'),
  text('user_id'),
  instant('occurred_at'),
  text('message_id'),
  text('type'),
  text('event_id'),
  text('kind'),
  text('campaign_id'),
  text('channel'),
  textOrNull('variant'),
  textOrNull('reason'),
  textOrNull('provider'),
  textOrNull('link'),
  textOrNull('user_agent'),
  column('boolean', false)('is_machine'),
  column('double', true)('value'),
  column('texts', false)('attributes'),
  ...source,
]);

export const PROFILE_CHANGES = table('profile_changes', ['tenant_id', 'user_id'], 'changed_at', [
  text('tenant_id'),
  text('user_id'),
  instant('changed_at'),
  text('change_id'),
  text('op'),
  column('integer', true)('source_version'),
  textOrNull('attributes'),
  ...source,
]);

export const CAMPAIGNS = table('campaigns', ['tenant_id', 'campaign_id'], 'updated_at', [
  text('tenant_id'),
  text('campaign_id'),
  instant('updated_at'),
  text('name'),
  text('channel'),
  textOrNull('subject'),
  instantOrNull('starts_at'),
  instantOrNull('ends_at'),
  column('texts', false)('attributes'),
  ...source,
]);

export const COLD_TABLES: Readonly<Record<ColdTable['name'], ColdTable>> = {
  events: EVENTS,
  profile_changes: PROFILE_CHANGES,
  campaigns: CAMPAIGNS,
};

/** Whose a row is: tenant and user, or tenant and campaign. */
export type Owner = readonly [string, string];

export function ownerOf({ owner: [tenant, user] }: ColdTable, row: ColdRow): Owner {
  return [row[tenant] as string, row[user] as string];
}

export function compareOwners(a: Owner, b: Owner): number {
  return compareUtf8(a[0], b[0]) || compareUtf8(a[1], b[1]);
}

export function compareRows(coldTable: ColdTable, a: ColdRow, b: ColdRow): number {
  const byOwner = compareOwners(ownerOf(coldTable, a), ownerOf(coldTable, b));
  if (byOwner !== 0) return byOwner;
  for (const index of coldTable.order) {
    const [x, y] = [a[index] as string | number | bigint, b[index] as string | number | bigint];
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

/**
 * As the bytes of UTF-8 compare, and with them ClickHouse, Parquet's statistics and everyone who reads the files.
 * JavaScript compares units of UTF-16, where a pair of surrogates comes before U+E000 to U+FFFF.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const [x, y] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
