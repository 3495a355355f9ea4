/** Bases of profiles: what stands for changes that are in the cold tier only. Retention writes them. */
import { hash } from 'node:crypto';
import type { ClickHouseClient } from '../common/clickhouse/client.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import { askEach, askRows, inLists, type Questioned, type User } from './ask.ts';
import { type FoldState, inEffectOrder, type ProfileChange } from './fold/fold-profile.ts';
import { isJsonObject, parseJson } from './fold/json-value.ts';
import type { UserLists } from './histories.ts';
import type { FoldBase } from './refold.ts';
import { userKey } from './touched-users.ts';

export interface ProfileBase extends FoldBase {
  /** Milliseconds: changes before it may be gone, and one at it stays. */
  readonly baseAt: number;
  /** The profile just before `baseAt`. */
  readonly state: FoldState;
  /** `changeHash` of each change that may be gone. */
  readonly hashes: ReadonlySet<string>;
  /** The sum of the offsets up to which changes were in the cold tier. */
  readonly exported: bigint;
  /** Decimal. Differs whenever the base does. */
  readonly rank: string;
}

/** 64 bits of a change id, as decimal text: `reinterpretAsUInt64(substring(MD5(change_id), 1, 8))`. */
export function changeHash(changeId: string): string {
  return String(hash('md5', changeId, 'buffer').readBigUInt64LE());
}

/**
 * Whether a fold may go on from the base with these changes alone. A change before the base, or a copy of one that may
 * be gone, can alter anything behind it. The version that ends at the base has that end written already, which is right
 * as long as a version begins there.
 * @param local what ClickHouse has of the user
 */
export function foldsOn({ baseAt, hashes }: ProfileBase, local: readonly ProfileChange[]): boolean {
  if (local.some(({ changedAt }) => changedAt < baseAt)) return false;
  if (inEffectOrder(local)[0]?.changedAt !== baseAt) return false;
  return !local.some(({ changeId }) => hashes.has(changeHash(changeId)));
}

/**
 * Whether older changes of a user are in the cold tier only. Ask after reading the changes that ClickHouse has: a base is
 * written before they go.
 * @throws {Outage}
 */
export async function hasBase(client: ClickHouseClient, { tenantId, userId }: User): Promise<boolean> {
  const rows = await selectRows(
    client,
    'SELECT 1 FROM profile_bases WHERE tenant_id = {tenantId:String} AND user_id = {userId:String} LIMIT 1',
    { tenantId, userId },
  );
  return rows.length > 0;
}

/** Whether there is a base at all. @throws {Outage} */
export async function hasBases(asked: Questioned): Promise<boolean> {
  return (await askRows(asked, 'SELECT 1 FROM profile_bases LIMIT 1', {})).length > 0;
}

/** The rank of each user's base, by `userKey`. @throws {Outage} */
export async function ranksOf(asked: Questioned, lists: UserLists): Promise<Map<string, string>> {
  const { sql, parameters } = inLists(lists);
  const ranks = new Map<string, string>();
  const query = `SELECT tenant_id, user_id, toString(max(rank)) FROM profile_bases
    WHERE (tenant_id, user_id) IN ${sql} GROUP BY tenant_id, user_id`;
  for await (const [tenantId, userId, rank] of askEach<[string, string, string]>(asked, query, parameters))
    ranks.set(userKey(tenantId, userId), rank);
  return ranks;
}

type Row = readonly [
  tenantId: string,
  userId: string,
  baseAt: string,
  versions: number,
  deleted: boolean,
  attributes: string,
  hashes: readonly string[],
  fold: string,
  exported: string,
  rank: string,
];

/** Bases of users, ordered by the bytes of tenant and user. @throws {Outage} */
export async function* basesOf(
  asked: Questioned,
  lists: UserLists,
): AsyncGenerator<readonly [User, ProfileBase]> {
  const { sql, parameters } = inLists(lists);
  const query = `SELECT tenant_id, user_id, toString(toUnixTimestamp64Milli(base_at)), versions, deleted, attributes,
      arrayMap(one -> toString(one), change_hashes), toString(fold), toString(exported), toString(rank)
    FROM profile_bases FINAL PREWHERE (tenant_id, user_id) IN ${sql} ORDER BY tenant_id, user_id`;
  for await (const row of askEach<Row>(asked, query, parameters)) {
    const [tenantId, userId, baseAt, versions, deleted, attributes, hashes, fold, exported, rank] = row;
    const base: ProfileBase = {
      baseAt: Number(baseAt),
      state: { profile: deleted ? null : profileOf(attributes), versions },
      hashes: new Set(hashes),
      fold: BigInt(fold),
      exported: BigInt(exported),
      rank,
    };
    yield [{ tenantId, userId }, base];
  }
}

function profileOf(attributes: string): FoldState['profile'] {
  const value = parseJson(attributes);
  if (!isJsonObject(value)) throw new TypeError('the attributes of a base are not a JSON object');
  return value;
}
