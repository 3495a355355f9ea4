/** Lets old profile changes go that are in the cold tier; of each user a base stays that stands for them. */

import type { ClickHouseClient } from '@clickhouse/client';
import type { ColdStore } from '../cold/cold-store.ts';
import { isBelow } from '../cold/exported.ts';
import type { Manifest } from '../cold/manifest.ts';
import { asOutage } from '../common/clickhouse/client.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import { faultPoint } from '../common/fault-points.ts';
import { inLists, type User } from '../profiles/ask.ts';
import { BasedHistories, type WholeHistory } from '../profiles/based-histories.ts';
import { exportedIn } from '../profiles/cold-histories.ts';
import { type FoldState, profileText } from '../profiles/fold/fold-profile.ts';
import { ChangesLeft, foldInPieces, HELD_AT_ONCE } from '../profiles/fold-pieces.ts';
import { listsOf } from '../profiles/histories.ts';
import { DAY_MS } from './days.ts';
import { type Limits, type NextBase, nextBaseOf } from './next-base.ts';

/** Users of whom changes are deleted with one mutation, which reads the table once. */
const USERS_AT_ONCE = 10_000;
/** Bases sent in one insert. */
const INSERT_BYTES = 4 * 1024 * 1024;
/** Before every change. */
const NEVER = Number.MIN_SAFE_INTEGER;

export interface TrimOptions {
  readonly client: ClickHouseClient;
  readonly store: ColdStore;
  readonly signal: AbortSignal;
  /** As it stands: what it says is exported may go. The lock of retention is to be held. */
  readonly manifest: Manifest;
  /** Milliseconds: changes before it may go, but for those of each user's last instant before it. See `horizonOf`. */
  readonly horizon: number;
  readonly usersAtOnce?: number;
}

export interface Trimmed {
  /** Users of whom changes went. */
  readonly users: number;
}

/** The beginning of a day, so that there is something to do once a day. @param now milliseconds */
export function horizonOf(now: number, ttlDays: number): number {
  return Math.floor(now / DAY_MS) * DAY_MS - ttlDays * DAY_MS;
}

/**
 * Some users at a time: their bases first, then what those stand for is deleted. Whatever stops it, it may be called
 * again: a reader who sees both takes the changes for what they are.
 * @throws {Outage}
 */
export async function trimProfileChanges(options: TrimOptions): Promise<Trimmed> {
  const { client, signal, store, usersAtOnce = USERS_AT_ONCE } = options;
  const histories = new BasedHistories({ client, signal, cold: async () => store });
  const { horizon, manifest } = options;
  const limits: Limits = { horizon, next: manifest.profile_changes.next };
  let trimmed = 0;
  for (let after: User | undefined = { tenantId: '', userId: '' }; after !== undefined; ) {
    const users: User[] = await candidates(client, { ...limits, after, usersAtOnce });
    const based = await writeBases(users, { histories, client, limits, exported: exportedIn(manifest) });
    faultPoint('bases-written', 'retention');
    await deleteBefore(client, based, limits);
    faultPoint('changes-deleted', 'retention');
    trimmed += based.length;
    after = users.length < usersAtOnce ? undefined : users.at(-1);
  }
  // What was deleted is only left out until then, and rewritten with a merge that may never come.
  if (await hasLeftOut(client))
    await command(client, 'ALTER TABLE profile_changes APPLY DELETED MASK SETTINGS mutations_sync = 2');
  return { users: trimmed };
}

/** Also by a run that was killed before it came to this. */
async function hasLeftOut(client: ClickHouseClient): Promise<boolean> {
  const parts = await selectRows(
    client,
    `SELECT 1 FROM system.parts WHERE active AND database = currentDatabase() AND table = 'profile_changes' AND has_lightweight_delete LIMIT 1`,
    {},
  );
  return parts.length > 0;
}

/** Users who have changes before the last instant that may become a base, in the order of the table. */
async function candidates(
  client: ClickHouseClient,
  { after, usersAtOnce, horizon, next }: Limits & { readonly after: User; readonly usersAtOnce: number },
): Promise<User[]> {
  const exported = isBelow(next, 'exported');
  const rows = await selectRows<readonly [string, string]>(
    client,
    `SELECT tenant_id, user_id FROM profile_changes
     WHERE (tenant_id, user_id) > ({tenantId:String}, {userId:String})
     GROUP BY tenant_id, user_id
     HAVING min(changed_at) < maxIf(changed_at, changed_at < fromUnixTimestamp64Milli({horizon:Int64}, 'UTC') AND ${exported.sql})
     ORDER BY tenant_id, user_id LIMIT {users:UInt32}
     SETTINGS optimize_aggregation_in_order = 1`,
    { ...exported.parameters, ...after, horizon, users: usersAtOnce },
  );
  return rows.map(([tenantId, userId]) => ({ tenantId, userId }));
}

interface WriteOptions {
  readonly histories: BasedHistories;
  readonly client: ClickHouseClient;
  readonly limits: Limits;
  readonly exported: bigint;
}

/** @returns users with a new base */
async function writeBases(users: readonly User[], options: WriteOptions): Promise<User[]> {
  const { histories, client, limits, exported } = options;
  const based: User[] = [];
  let rows: object[] = [];
  let bytes = 0;
  const insert = async () => {
    await client.insert({ table: 'profile_bases', values: rows, format: 'JSONEachRow' }).catch((error) => {
      throw asOutage(error);
    });
    [rows, bytes] = [[], 0];
  };
  const add = async (user: User, { base, state }: { base: NextBase; state: FoldState }) => {
    const row = baseRow(user, { base, state, exported });
    based.push(user);
    rows.push(row);
    bytes += row.attributes.length + 21 * row.change_hashes.length;
    if (bytes >= INSERT_BYTES) await insert();
  };
  const long: User[] = [];
  for await (const history of histories.each(users, HELD_AT_ONCE)) {
    const { tenantId, userId, changes } = history;
    if (changes === null) {
      long.push({ tenantId, userId });
      continue;
    }
    const base = nextBaseOf({ ...history, changes }, limits);
    if (base === null) continue;
    const state = await foldTo(base, { ...history, changes, hasAttributes: true }, histories);
    await add({ tenantId, userId }, { base, state });
  }
  for (const user of long) {
    const found = await foldLong(user, histories, limits);
    if (found !== null) await add(user, found);
  }
  if (rows.length > 0) await insert();
  return based;
}

async function foldLong(
  user: User,
  histories: BasedHistories,
  limits: Limits,
): Promise<{ readonly base: NextBase; readonly state: FoldState } | null> {
  for (;;) {
    const history = await histories.long(user);
    const base = nextBaseOf(history, limits);
    if (base === null) return null;
    try {
      return { base, state: await foldTo(base, history, histories) };
    } catch (error) {
      if (!(error instanceof ChangesLeft)) throw error;
    }
  }
}

/** What the changes before the base have come to. */
async function foldTo(
  { ordered, state: begin }: NextBase,
  user: WholeHistory,
  { histories }: BasedHistories,
): Promise<FoldState> {
  let state = begin;
  const attributesOf = user.hasAttributes
    ? null
    : (...of: Parameters<typeof histories.readAttributes>) => histories.readAttributes(...of);
  for await (const versions of foldInPieces(ordered, { user, state, attributesOf }))
    for (const { profile, version } of versions) state = { profile, versions: version };
  return state;
}

function baseRow(
  { tenantId, userId }: User,
  { base, state, exported }: { base: NextBase; state: FoldState; exported: bigint },
) {
  return {
    tenant_id: tenantId,
    user_id: userId,
    base_at: new Date(base.baseAt).toISOString().slice(0, -1),
    versions: state.versions,
    deleted: state.profile === null,
    attributes: profileText(state.profile),
    change_hashes: [...base.hashes].sort(),
    fold: String(base.fold),
    exported: String(exported),
  };
}

/**
 * Deletes what the bases stand for that are there now, whoever wrote them: of two who were at it at once, one frozen in
 * between, the one that knew more has the base.
 */
async function deleteBefore(
  client: ClickHouseClient,
  users: readonly User[],
  { next }: Limits,
): Promise<void> {
  const exported = isBelow(next, 'exported');
  for (const lists of listsOf(users)) {
    const { sql, parameters } = inLists(lists);
    const bases = await selectRows<readonly [string, string]>(
      client,
      `SELECT ${KEY}, toString(toUnixTimestamp64Milli(base_at)) FROM profile_bases FINAL
       WHERE (tenant_id, user_id) IN ${sql}`,
      parameters,
    );
    const instants = new Map(bases.map(([key, at]) => [key, Number(at)]));
    const keys = lists.map((some) => some.map(keyOf));
    const names = lists.map((_, index) => index);
    const concat = (name: string, type: string) =>
      `arrayConcat(${names.map((index) => `{${name}_${index}:Array(${type})}`).join(', ')})`;
    const lasts = keys.map((some) => some.map((key) => instants.get(key) ?? NEVER));
    const byIndex = (name: string, some: readonly unknown[]) =>
      Object.fromEntries(some.map((value, index) => [`${name}_${index}`, value]));
    await command(
      client,
      `DELETE FROM profile_changes WHERE (tenant_id, user_id) IN ${sql} AND ${exported.sql}
         AND toUnixTimestamp64Milli(changed_at)
           < transform(${KEY}, ${concat('keys', 'String')}, ${concat('bases', 'Int64')}, {never:Int64})`,
      {
        ...parameters,
        ...exported.parameters,
        ...byIndex('keys', keys),
        ...byIndex('bases', lasts),
        never: NEVER,
      },
    );
  }
}

/** Tenant and user as one text; only with a length in front two users never share one. */
const KEY = `concat(toString(length(tenant_id)), ':', tenant_id, '/', user_id)`;

function keyOf({ tenantId, userId }: User): string {
  return `${Buffer.byteLength(tenantId)}:${tenantId}/${userId}`;
}

async function command(
  client: ClickHouseClient,
  query: string,
  query_params: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  try {
    await client.command({
      query,
      query_params: { ...query_params },
      use_multipart_params_auto: true,
      clickhouse_settings: { lightweight_deletes_sync: '2' },
    });
  } catch (error) {
    throw asOutage(error);
  }
}
