/** Finds the segments of some offsets, from the newest day back, and no further than to where all of them are found. */
import { type OffsetRange, type PartitionRef, partitionKey } from '../common/batch.ts';
import { checkBatch } from './check-batch.ts';
import { listGaps } from './gap-records.ts';
import { type ArchivePlace, type ListedBlob, listed, listFolder } from './listing.ts';
import { OffsetRanges } from './offset-ranges.ts';
import { segmentFolders } from './segment-path.ts';

/** What was archived is not there any more, or not what was written. */
export class DamagedArchive extends Error {
  override readonly name = 'DamagedArchive';
}

/** Offsets of one partition that the archive has: from `begin` of its head to in front of `next`. */
export interface WantedRange extends OffsetRange {
  readonly source: PartitionRef;
}

export interface FoundBatch extends OffsetRange {
  readonly source: PartitionRef;
  readonly parts: readonly ListedBlob[];
}

interface Search {
  readonly wanted: WantedRange;
  readonly covered: OffsetRanges;
  /** Ranges of batches that were begun and given up: what there is of them is no part of the chain. */
  readonly abandoned: OffsetRange[];
  /** Somebody has accepted that there is no segment, if there is none: the archive may have gone on all the same. */
  readonly accepted: OffsetRange[];
}

/**
 * The batches with offsets of the ranges, all of one topic: every one of them, or an error. Days are those of Kafka's
 * timestamps, which producers may set: what is not found in the newest ones is looked for in all.
 * @throws {Outage} the store cannot be asked
 * @throws {DamagedArchive} with the offsets of which there is no segment, or the batch that is not whole
 */
export async function findBatches(
  place: ArchivePlace,
  topic: string,
  ranges: readonly WantedRange[],
): Promise<FoundBatch[]> {
  const searches = new Map<string, Search>(
    ranges.map((wanted) => [
      partitionKey(wanted.source),
      { wanted, covered: new OffsetRanges(), abandoned: [], accepted: [] },
    ]),
  );
  await readGaps(place, topic, searches);
  const found: FoundBatch[] = [];
  for (const day of await daysOf(place, topic)) {
    if (gapsIn(searches).length === 0) break;
    found.push(...(await batchesOf(place, { topic, day, searches })));
  }
  for (const { covered, accepted } of searches.values()) for (const range of accepted) covered.add(range);
  const [gap] = gapsIn(searches);
  if (gap !== undefined)
    throw new DamagedArchive(
      `offsets ${gap.first} to ${gap.last} of ${gap.topic}/${gap.partition} were archived, but are in no segment: restore the blob from its versions; \`campaign-ledger archive verify\` tells what else is missing`,
    );
  for (const { parts } of found) {
    const [fault] = await checkBatch({ ...place, isDeep: false }, parts);
    if (fault !== undefined)
      throw new DamagedArchive(`${fault.path ?? parts[0]?.path ?? topic}: ${fault.message}`);
  }
  return found;
}

async function readGaps(
  place: ArchivePlace,
  topic: string,
  searches: ReadonlyMap<string, Search>,
): Promise<void> {
  for await (const { path, record } of listGaps(place, topic)) {
    if (record === null)
      throw new DamagedArchive(`${path} is not the record of an accepted gap: restore it from its versions`);
    const search = searches.get(partitionKey({ ...record, topicId: record.topic_id }));
    search?.accepted.push(record);
    if (record.abandoned_batch !== null) search?.abandoned.push(record.abandoned_batch);
  }
}

function gapsIn(searches: ReadonlyMap<string, Search>): (OffsetRange & PartitionRef)[] {
  return [...searches.values()].flatMap(({ wanted, covered }) =>
    covered.gapsIn(wanted).map((gap) => ({ ...wanted.source, ...gap })),
  );
}

/** `dt=2026-08-03`, the newest first. */
async function daysOf({ container, prefix }: ArchivePlace, topic: string): Promise<string[]> {
  const days = new Set<string>();
  for (const folder of segmentFolders(topic)) {
    const items = container.listBlobsByHierarchy('/', { prefix: prefix + folder });
    for await (const item of listed(items))
      if (item.name.endsWith('/')) days.add(item.name.slice(prefix.length + folder.length, -1));
  }
  return [...days].sort().reverse();
}

/** All segments of a batch lie in one day. */
async function batchesOf(
  place: ArchivePlace,
  {
    topic,
    day,
    searches,
  }: { readonly topic: string; readonly day: string; readonly searches: ReadonlyMap<string, Search> },
): Promise<FoundBatch[]> {
  const batches = new Map<
    string,
    { source: PartitionRef; first: number; last: number; parts: ListedBlob[] }
  >();
  for (const folder of segmentFolders(topic)) {
    for await (const blob of listFolder(place, `${folder}${day}/`)) {
      const { name } = blob;
      const search = name === null ? undefined : searches.get(partitionKey(name));
      if (name === null || search === undefined || !isWanted(name, search)) continue;
      const { first, last } = name;
      search.covered.add({ first, last });
      const key = `${partitionKey(name)}/${first}-${last}`;
      const batch = batches.get(key) ?? { source: search.wanted.source, first, last, parts: [] };
      batch.parts.push(blob);
      batches.set(key, batch);
    }
  }
  return [...batches.values()];
}

function isWanted({ first, last }: OffsetRange, { wanted, abandoned }: Search): boolean {
  return (
    last >= wanted.first &&
    first <= wanted.last &&
    !abandoned.some((batch) => batch.first === first && batch.last === last)
  );
}
