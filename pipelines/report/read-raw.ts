/** What the archive has and ClickHouse has not yet: read out of the segments themselves. */
import type { Config } from '../../config/schema.ts';
import { type TopicRole, topicNames } from '../../config/topics.ts';
import { checkContent } from '../archive/check-batch.ts';
import { DamagedArchive, type FoundBatch, findBatches, type WantedRange } from '../archive/find-batches.ts';
import { type HeadPosition, headPositions } from '../archive/head-positions.ts';
import type { ArchivePlace } from '../archive/listing.ts';
import { CAMPAIGNS, type ColdRow, type ColdTable, EVENTS, PROFILE_CHANGES } from '../cold/cold-table.ts';
import { coldRowOf, ownerOfRow } from '../cold/row-binary.ts';
import { partitionKey } from '../common/batch.ts';
import { blobErrorCode } from '../common/blob/container.ts';
import { OfflineBlob } from '../common/blob/offline.ts';
import type { WriterSchemas } from '../common/registry/writer-schemas.ts';
import { timeLimits } from '../common/transcode/time-limits.ts';
import { ExpectedRows } from '../verify/expected-rows.ts';
import { LEDGER_TABLES } from '../verify/ledger-table.ts';
import type { UserKey } from './read-clickhouse.ts';
import type { PipelinePositions } from './read-progress.ts';

const TABLES: Readonly<Record<TopicRole, ColdTable>> = {
  definitions: CAMPAIGNS,
  delivery: EVENTS,
  feedback: EVENTS,
  profiles: PROFILE_CHANGES,
};

export interface RawContext {
  readonly place: ArchivePlace;
  readonly config: Pick<Config, 'kafka' | 'validation'>;
  readonly schemas: WriterSchemas;
}

export interface RawRows {
  readonly events: number;
  /** Rows of the user in `profile_changes`. */
  readonly changes: readonly ColdRow[];
  /** Every definition of the tenant's. */
  readonly definitions: readonly ColdRow[];
  /** Their paths, in order. */
  readonly segments: readonly string[];
  /** Records that were read, of everybody. */
  readonly records: number;
}

export interface Wanted extends WantedRange {
  readonly role: TopicRole;
}

export interface RawQuestion {
  readonly user: UserKey;
  /** As `rangesBehind` gives them. */
  readonly wanted: readonly Wanted[];
  /** Handed events of the user as they come. */
  readonly onEvent: (row: ColdRow) => void;
}

/**
 * @throws {Outage} Blob, or the registry, cannot be asked
 * @throws {DamagedArchive} a segment is gone, or not what was written
 * @throws {OfflineBlob}
 */
export async function readRaw(
  context: RawContext,
  { user: { tenantId, userId }, wanted, onEvent }: RawQuestion,
): Promise<RawRows> {
  const rows: Record<'profile_changes' | 'campaigns', ColdRow[]> = { profile_changes: [], campaigns: [] };
  const segments: string[] = [];
  let [records, events] = [0, 0];
  for (const [topic, ranges] of Map.groupBy(wanted, ({ source }) => source.topic)) {
    const [{ role } = { role: null }] = ranges;
    if (role === null) continue;
    const isOurs = (row: Buffer): boolean => {
      const [tenant, user] = ownerOfRow(row);
      return tenant === tenantId && (role === 'definitions' || user === userId);
    };
    const reader = new BatchReader(context, role, topic);
    const table = TABLES[role];
    for (const batch of await findBatches(context.place, topic, ranges)) {
      records += await reader.read(batch, (row) => {
        if (!isOurs(row)) return;
        if (table.name !== 'events') {
          rows[table.name].push(coldRowOf(table, row));
          return;
        }
        events += 1;
        onEvent(coldRowOf(table, row));
      });
      segments.push(...batch.parts.map(({ path }) => path));
    }
  }
  const { profile_changes: changes, campaigns: definitions } = rows;
  return { events, changes, definitions, segments: segments.sort(), records };
}

/** How far the archive is with the topics that reports are made of. @throws {Outage} */
export function readHeads({ place, config }: Pick<RawContext, 'place' | 'config'>): Promise<HeadPosition[]> {
  return headPositions(place, new Set(Object.values(topicNames(config))));
}

/** Offsets that the archive has and the pipeline has not made durable. */
export function rangesBehind(
  { config }: Pick<RawContext, 'config'>,
  { heads, positions }: { readonly heads: readonly HeadPosition[]; readonly positions: PipelinePositions },
): Wanted[] {
  const names = topicNames(config);
  const roles = new Map((Object.keys(names) as TopicRole[]).map((role) => [names[role], role]));
  return heads.flatMap(({ begin, next, ...source }) => {
    const role = roles.get(source.topic);
    if (role === undefined) return [];
    const stored = positions[LEDGER_TABLES[role].pipeline]?.get(partitionKey(source))?.next ?? 0;
    const range = { first: Math.max(begin, stored), last: next - 1 };
    return range.first <= range.last ? [{ ...range, source, role }] : [];
  });
}

class BatchReader {
  readonly #place: ArchivePlace;
  readonly #expected: ExpectedRows;

  constructor({ place, config, schemas }: RawContext, role: TopicRole, topic: string) {
    this.#place = place;
    this.#expected = new ExpectedRows(LEDGER_TABLES[role], { topic, limits: timeLimits(config), schemas });
  }

  /** @param onRow is handed the rows that the pipeline will make, as their bytes @returns the records of the batch */
  async read({ source, parts }: FoundBatch, onRow: (row: Buffer) => void): Promise<number> {
    let records = 0;
    for (const part of parts) {
      const faults = await checkContent(this.#place, part, async (archived) => {
        records += archived.length;
        for (const { row, fault } of await this.#expected.judge(source, archived))
          if (row !== null && fault === null) onRow(row);
      }).catch((error: unknown) => {
        if (blobErrorCode(error) === null) throw error;
        throw new DamagedArchive(`${part.path} cannot be read: ${blobErrorCode(error)}`, { cause: error });
      });
      const [fault] = faults;
      if (fault?.code === 'segment_offline') throw new OfflineBlob(part.path);
      if (fault !== undefined) throw new DamagedArchive(`${fault.path}: ${fault.message}`);
    }
    return records;
  }
}
