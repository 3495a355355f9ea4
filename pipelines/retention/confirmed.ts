/**
 * Up to which offset each source of events may leave ClickHouse: what tracking has written and the archive has, its chain
 * of segments looked at.
 */
import type { ContainerClient } from '@azure/storage-blob';
import type { ClickHouseClient } from '@clickhouse/client';
import type { Config } from '../../config/schema.ts';
import { type TopicRole, topicNames } from '../../config/topics.ts';
import { HeadStore } from '../archive/head.ts';
import { type Discrepancy, verifyArchive } from '../archive/verify.ts';
import type { ColdTable } from '../cold/cold-table.ts';
import type { Manifest, NextOffsets } from '../cold/manifest.ts';
import { type PartitionRef, partitionKey } from '../common/batch.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import { PartitionStopped } from '../common/errors.ts';

export interface SourceState extends PartitionRef {
  /** The next offset that the archive needs; null: it has nothing of the partition. */
  readonly archived: number | null;
  /** The next offset that the pipeline needs. */
  readonly written: number;
  /** Below this offset the cold tier has the source's rows, or is about to. */
  readonly cold: number;
  /** What is wrong with the archive, and from which offset on. */
  readonly damage: { readonly from: number; readonly message: string } | null;
}

export interface ConfirmOptions {
  readonly config: Config;
  readonly manifest: Manifest;
  readonly client: ClickHouseClient;
  readonly container: ContainerClient;
  /** Lists the segments and looks whether all are there; else the heads are taken at their word. */
  readonly isChecked: boolean;
}

/** Which pipeline writes the rows of which topics. */
const PARTS = {
  tracking: ['delivery', 'feedback', 'definitions'],
  profiles: ['profiles'],
} as const;

/**
 * @throws {Outage}
 */
export async function readSources({
  config,
  manifest,
  client,
  container,
  isChecked,
}: ConfirmOptions): Promise<SourceState[]> {
  const { prefix } = config.blob;
  const names = topicNames(config);
  const heads = new HeadStore(container, prefix);
  const sources: SourceState[] = [];
  const cold = coldOffsets(manifest);
  for (const [pipeline, roles] of Object.entries(PARTS)) {
    const topics = roles.map((role) => names[role]);
    const damaged = isChecked
      ? (await verifyArchive({ container, prefix, topics, isDeep: false })).discrepancies
      : [];
    for (const { written, ...source } of await progressOf(client, pipeline, topics)) {
      const head = await heads.read(source).catch((error: unknown) => {
        if (error instanceof PartitionStopped) return error;
        throw error;
      });
      const isReadable = !(head instanceof PartitionStopped);
      const archived = isReadable ? (head.head?.next ?? null) : null;
      const damage = isReadable ? damageOf(damaged, source) : { from: 0, message: head.message };
      const key = partitionKey(source);
      sources.push({ ...source, archived, written, damage, cold: cold.get(key) ?? 0 });
      cold.delete(key);
    }
  }
  return [...sources, ...Array.from(cold, lostSource)];
}

/** Of each source, below which offset its rows are in the cold tier, or will be when an export has ended. */
function coldOffsets({ events, profile_changes, campaigns }: Manifest): Map<string, number> {
  const cold = new Map<string, number>();
  const all = [
    events.next,
    events.pending?.next,
    profile_changes.next,
    profile_changes.pending,
    campaigns.next,
    campaigns.pending,
  ];
  for (const next of all)
    for (const [key, offset] of Object.entries(next ?? {}))
      cold.set(key, Math.max(offset, cold.get(key) ?? 0));
  return cold;
}

/** The cold tier has rows of it, and ClickHouse does not know that it ever read any. */
function lostSource([key, cold]: [string, number]): SourceState {
  const [topicId = '', partition] = key.split('/');
  return {
    topic: `topic id ${topicId}`,
    topicId,
    partition: Number(partition),
    archived: null,
    written: 0,
    cold,
    damage: null,
  };
}

/**
 * Sources of which ClickHouse has less than the cold tier: it was lost, or set back, and is being filled again. Until then
 * nobody knows which rows of a day are still to come.
 */
export function setBack(sources: readonly SourceState[]): SourceState[] {
  return sources.filter(({ written, cold }) => written < cold);
}

/** Which topics' records become rows of which table of the cold tier. */
const ROLES = {
  events: ['delivery', 'feedback'],
  profile_changes: ['profiles'],
  campaigns: ['definitions'],
} as const satisfies Record<ColdTable['name'], readonly TopicRole[]>;

/** Of one table. Never less than what the cold tier has already, whatever was lost since. */
export function confirmedNext(
  table: ColdTable['name'],
  sources: readonly SourceState[],
  { config, before }: { readonly config: Pick<Config, 'kafka'>; readonly before: NextOffsets },
): NextOffsets {
  const topics = ROLES[table].map((role) => topicNames(config)[role]);
  const next: Record<string, number> = { ...before };
  for (const source of sources) if (topics.includes(source.topic)) raise(next, source);
  return next;
}

function raise(next: Record<string, number>, state: SourceState): void {
  const { archived, written, damage } = state;
  const key = partitionKey(state);
  const confirmed = Math.min(archived ?? 0, written, damage?.from ?? Number.POSITIVE_INFINITY);
  if (confirmed > (next[key] ?? 0)) next[key] = confirmed;
}

type Progress = PartitionRef & Pick<SourceState, 'written'>;

async function progressOf(
  client: ClickHouseClient,
  pipeline: string,
  topics: readonly string[],
): Promise<Progress[]> {
  const rows = await selectRows<readonly [string, string, number, string]>(
    client,
    `SELECT topic, topic_id, partition, toString(argMax(next_offset, (epoch, next_offset)))
     FROM progress WHERE pipeline = {pipeline:String} AND topic IN {topics:Array(String)}
     GROUP BY topic, topic_id, partition ORDER BY topic, topic_id, partition`,
    { pipeline, topics },
  );
  return rows.map(([topic, topicId, partition, written]) => ({
    topic,
    topicId,
    partition,
    written: Number(written),
  }));
}

/** The first of them; one that names no offsets says nothing about any. */
function damageOf(
  discrepancies: readonly Discrepancy[],
  { topicId, partition }: PartitionRef,
): SourceState['damage'] {
  const [first] = discrepancies
    .filter((one) => one.topicId === topicId && one.partition === partition && !EXTRA.has(one.code))
    .sort((a, b) => (a.first ?? 0) - (b.first ?? 0));
  return first === undefined ? null : { from: first.first ?? 0, message: `${first.code}: ${first.message}` };
}

/** More than there should be: nothing is missing. */
const EXTRA: ReadonlySet<Discrepancy['code']> = new Set([
  'segment_overlap',
  'segment_beyond_head',
  'foreign_blob',
]);
