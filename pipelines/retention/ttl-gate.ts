/**
 * What lets rows of `events` go: the table's own TTL. It holds what is in the cold tier and what is wanted here, so that
 * neither a restart nor another writer can forget it, and nothing has to be deleted by hand.
 */
import { type ClickHouseClient, ClickHouseError } from '@clickhouse/client';
import type { Extent } from '../cold/exported.ts';
import { asOutage } from '../common/clickhouse/client.ts';
import { selectRows } from '../common/clickhouse/select.ts';

/** ClickHouse's DateTime ends here: a TTL beyond would wrap round and delete at once. */
const NEVER = '2106-01-01 00:00:00';
export const MOST_DAYS = 36_500;

export interface Gate {
  /** What is in the cold tier: nothing else goes, whatever else is said here. */
  readonly exported: Extent;
  /** Days after the event; null: no limit of time. */
  readonly ttlDays: number | null;
  /** For want of space: the last day that goes whatever its age; null: none. */
  readonly evictedThrough: string | null;
  /** Days that were brought back, each with the instant until which it stays, milliseconds. They go by this alone. */
  readonly held: ReadonlyMap<string, number>;
}

/**
 * @throws {RangeError} `ttlDays` is no number of days, or more than a hundred years
 */
export function ttlExpression({ exported: { through, next }, ttlDays, evictedThrough, held }: Gate): string {
  if (ttlDays !== null && (!Number.isInteger(ttlDays) || ttlDays < 1 || ttlDays > MOST_DAYS))
    throw new RangeError(`ttlDays is ${ttlDays}, but must be a whole number from 1 to ${MOST_DAYS}`);
  const never = `toDateTime(${quote(NEVER)}, 'UTC')`;
  const day = 'toDate(occurred_at)';
  const start = `toDateTime(${day}, 'UTC')`;
  const sources = Object.keys(next).sort();
  const isExported =
    through === null || sources.length === 0
      ? '0'
      : `(${day} <= toDate(${quote(through)}) AND offset < transform(source, ${list(sources.map(quote))}, ${list(sources.map((source) => whole(next[source] ?? 0)))}, 0))`;
  const days = [...held.keys()].sort();
  const cases = [
    [`NOT ${isExported}`, never],
    ...(days.length === 0
      ? []
      : [
          [
            `has(${list(days.map((one) => `toDate(${quote(one)})`))}, ${day})`,
            `toDateTime(transform(${day}, ${list(days.map((one) => `toDate(${quote(one)})`))}, ${list(days.map((one) => whole(Math.ceil((held.get(one) ?? 0) / 1_000))))}, 0), 'UTC')`,
          ],
        ]),
    ...(evictedThrough === null ? [] : [[`${day} <= toDate(${quote(evictedThrough)})`, start]]),
  ];
  const otherwise =
    ttlDays === null
      ? never
      : `if(${day} < toDate('2106-01-01') - ${whole(ttlDays)}, ${start} + INTERVAL ${whole(ttlDays)} DAY, ${never})`;
  return `multiIf(${cases.map(([condition, until]) => `${condition}, ${until}`).join(', ')}, ${otherwise})`;
}

/** @throws {Outage} */
export async function setGate(client: ClickHouseClient, gate: Gate): Promise<void> {
  // A table's definition takes no parameters: what goes in is days, whole numbers, and sources, quoted.
  const query = `ALTER TABLE events MODIFY TTL ${ttlExpression(gate)} SETTINGS materialize_ttl_after_modify = 0`;
  await command(client, query);
}

/**
 * Lets go what the gate lets go, of these days, and waits until it has. A part with a row that must stay, stays whole.
 * ClickHouse would drop the parts by itself, two at a time and each day's a few hours apart.
 * @throws {Outage}
 */
export async function letGo(client: ClickHouseClient, days: readonly string[]): Promise<void> {
  if (days.length === 0) return;
  const partitions = days.map((day) => day.replaceAll('-', ''));
  const parts = partitions.map((one) => `MATERIALIZE TTL IN PARTITION ${whole(Number(one))}`);
  await command(client, `ALTER TABLE events ${parts.join(', ')} SETTINGS mutations_sync = 2`);
  for (let round = 0; round < ROUNDS; round += 1) {
    const names = await expiredParts(client, partitions);
    if (names.length === 0) return;
    await dropParts(client, names);
  }
}

/** Parts are merged while they are dropped; what is left then goes by itself. */
const ROUNDS = 5;

/** By the TTL that was computed for each of their rows: the last of them is over. */
async function expiredParts(client: ClickHouseClient, partitions: readonly string[]): Promise<string[]> {
  const rows = await selectRows<readonly [string]>(
    client,
    `SELECT name FROM system.parts
     WHERE active AND rows > 0 AND database = currentDatabase() AND table = 'events'
       AND partition IN {partitions:Array(String)}
       AND delete_ttl_info_max > toDateTime(0) AND delete_ttl_info_max <= now()
     ORDER BY name`,
    { partitions },
  );
  return rows.map(([name]) => name);
}

/** All with one statement, and where one of them is gone by then, each with its own. */
async function dropParts(client: ClickHouseClient, names: readonly string[]): Promise<void> {
  const drops = names.map((name) => `DROP PART ${quote(name)}`);
  if (await dropped(client, drops.join(', '))) return;
  for (const drop of drops) await dropped(client, drop);
}

/** @returns false where one has become part of another, or has gone by itself */
async function dropped(client: ClickHouseClient, drops: string): Promise<boolean> {
  try {
    await client.command({ query: `ALTER TABLE events ${drops}` });
    return true;
  } catch (error) {
    if (error instanceof ClickHouseError && error.type === 'NO_SUCH_DATA_PART') return false;
    throw asOutage(error);
  }
}

async function command(client: ClickHouseClient, query: string): Promise<void> {
  try {
    await client.command({ query });
  } catch (error) {
    throw asOutage(error);
  }
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function whole(number: number): string {
  if (!Number.isSafeInteger(number) || number < 0) throw new RangeError(`${number} is no whole number`);
  return String(number);
}

function list(items: readonly string[]): string {
  return `[${items.join(', ')}]`;
}
