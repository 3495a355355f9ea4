/** Profile versions as rows of `profile_versions`. */
import type { RowColumn } from '../common/clickhouse-sink/row-insert.ts';
import { ChunkPool } from '../common/transcode/chunk-pool.ts';
import { encodeText, writeInt64, writeLength } from '../common/transcode/row-binary.ts';
import { RowChunks } from '../common/transcode/row-chunks.ts';
import { type FoldedVersion, profileText } from './fold/fold-profile.ts';
import type { User } from './histories.ts';

/** The columns of the INSERT, in its order. */
export const VERSION_COLUMNS: readonly RowColumn[] = [
  { name: 'tenant_id', type: 'String' },
  { name: 'user_id', type: 'String' },
  { name: 'valid_from', type: "DateTime64(3, 'UTC')" },
  { name: 'valid_to', type: "Nullable(DateTime64(3, 'UTC'))" },
  { name: 'version', type: 'UInt32' },
  { name: 'deleted', type: 'Bool' },
  { name: 'attributes', type: 'String' },
  { name: 'change_ids', type: 'Array(String)' },
  { name: 'recorded_at', type: "DateTime64(3, 'UTC')" },
  { name: 'fold', type: 'UInt256' },
  { name: 'withdrawn', type: 'UInt8' },
];

/** Of all columns that have one size, and of the lengths of the others. */
const FIXED_BYTES = 128;

export class VersionRows {
  /** Encoded so far. */
  bytes = 0;
  #rows = new RowChunks(new ChunkPool());

  version(user: User, version: FoldedVersion, fold: bigint): void {
    this.#append(user, {
      ...version,
      deleted: version.profile === null,
      attributes: profileText(version.profile),
      fold,
      withdrawn: false,
    });
  }

  /** There is no version of this instant: what an earlier fold may have written of it is void. */
  withdrawn(user: User, validFrom: number, fold: bigint): void {
    this.#append(user, {
      version: 0,
      validFrom,
      validTo: null,
      deleted: false,
      attributes: '{}',
      changeIds: [],
      recordedAt: 0,
      fold,
      withdrawn: true,
    });
  }

  /** Hands out the rows and begins anew. */
  take(): readonly Buffer[] {
    this.#rows.finish();
    const { full } = this.#rows;
    this.#rows = new RowChunks(new ChunkPool());
    this.bytes = 0;
    return full;
  }

  #append({ tenantId, userId }: User, row: VersionRow): void {
    const texts = [tenantId, userId, row.attributes, ...row.changeIds].map(encodeText);
    const [tenant, user, attributes, ...changeIds] = texts as [Buffer, Buffer, Buffer, ...Buffer[]];
    const size = texts.reduce((sum, text) => sum + text.length, FIXED_BYTES);
    const rows = this.#rows;
    rows.reserve(size);
    const { chunk, view } = rows;
    let at = rows.position;
    at += tenant.copy(chunk, at);
    at += user.copy(chunk, at);
    at = writeInt64(view, at, row.validFrom);
    chunk[at++] = row.validTo === null ? 1 : 0;
    if (row.validTo !== null) at = writeInt64(view, at, row.validTo);
    view.setUint32(at, row.version, true);
    at += 4;
    chunk[at++] = row.deleted ? 1 : 0;
    at += attributes.copy(chunk, at);
    at = writeLength(chunk, at, changeIds.length);
    for (const id of changeIds) at += id.copy(chunk, at);
    at = writeInt64(view, at, row.recordedAt);
    // UInt256, the lowest 64 bits first.
    for (let shift = 0n; shift < 256n; shift += 64n) {
      view.setBigUint64(at, BigInt.asUintN(64, row.fold >> shift), true);
      at += 8;
    }
    chunk[at++] = row.withdrawn ? 1 : 0;
    rows.position = at;
    this.bytes += size;
  }
}

interface VersionRow extends Omit<FoldedVersion, 'profile'> {
  readonly deleted: boolean;
  readonly attributes: string;
  readonly fold: bigint;
  readonly withdrawn: boolean;
}
