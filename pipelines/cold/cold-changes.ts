/** One user's exported profile changes, as the fold takes them. */
import type { StoredChange } from '../profiles/histories.ts';
import { type ColdFiles, coldRowsOf } from './cold-reader.ts';
import { type ColdRow, type Owner, PROFILE_CHANGES } from './cold-table.ts';
import type { Manifest } from './manifest.ts';

/**
 * Every copy of every change of a user that is in the cold tier, also of those that ClickHouse still has. Holds them all
 * at once.
 * @param user tenant and user
 * @throws {Outage}
 * @throws {DamagedColdFile}
 */
export async function coldChangesOf(
  store: ColdFiles,
  manifest: Pick<Manifest, 'profile_changes'>,
  user: Owner,
): Promise<StoredChange[]> {
  const listed = manifest.profile_changes.files;
  return (await coldRowsOf(store, PROFILE_CHANGES, { listed, owner: user })).map(storedChange);
}

const names = PROFILE_CHANGES.columns.map(({ name }) => name);
const at = (name: string) => names.indexOf(name);
const CHANGE_ID = at('change_id');
const OP = at('op');
const CHANGED_AT = at('changed_at');
const SOURCE_VERSION = at('source_version');
const ATTRIBUTES = at('attributes');
const SOURCE = at('source');
const OFFSET = at('offset');
const RECORDED_AT = at('recorded_at');

function storedChange(row: ColdRow): StoredChange {
  const [topicId = '', partition = ''] = (row[SOURCE] as string).split('/');
  const attributes = row[ATTRIBUTES] as string | null;
  const change = {
    changeId: row[CHANGE_ID] as string,
    op: row[OP] as StoredChange['op'],
    changedAt: row[CHANGED_AT] as number,
    sourceVersion: row[SOURCE_VERSION] as bigint | null,
    attributes,
    recordedAt: row[RECORDED_AT] as number,
    topicId,
    partition: Number(partition),
    offset: Number(row[OFFSET]),
  };
  return { ...change, precedence: precedenceOf(change), bytes: Buffer.byteLength(attributes ?? '') };
}

const MOST_RECORDED_AT = 8_796_093_022_207;

/** The column of the same name in `profile_changes`: greater is recorded earlier. 128 bits. */
export function precedenceOf({
  recordedAt,
  topicId,
  partition,
  offset,
}: Pick<StoredChange, 'recordedAt' | 'topicId' | 'partition' | 'offset'>): bigint {
  const recorded = BigInt(Math.min(Math.max(recordedAt, 0), MOST_RECORDED_AT));
  const topic = BigInt(Number.parseInt(topicId.slice(0, 8), 16)) >> 11n;
  const place = (recorded << 85n) + (topic << 64n) + (BigInt(partition & 0xffff) << 48n) + BigInt(offset);
  return BigInt.asUintN(128, ~place);
}
