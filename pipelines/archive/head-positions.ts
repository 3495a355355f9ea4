/** How far the archive is, of all partitions at once: what the listing of the heads says of them. */
import type { PartitionRef } from '../common/batch.ts';
import { Outage } from '../common/errors.ts';
import { HeadStore, type Position } from './head.ts';
import { type ArchivePlace, listed } from './listing.ts';
import { HEADS_FOLDER } from './segment-path.ts';

export interface HeadPosition extends PartitionRef {
  readonly begin: number;
  /** Everything below, from `begin` on, is archived. */
  readonly next: number;
}

const PATH = /^(?<topic>[A-Za-z0-9._-]+)\/(?<topicId>[0-9a-f]{32})\/(?<partition>\d+)\.json$/;

/**
 * One request for 5,000 heads. Heads that an earlier release wrote do not show where they are: each of them is read.
 * @throws {Outage} the store cannot be asked
 * @throws {PartitionStopped} a head is not one that this release can read
 */
export async function headPositions(
  { container, prefix }: ArchivePlace,
  topics: ReadonlySet<string>,
): Promise<HeadPosition[]> {
  const folder = `${prefix}${HEADS_FOLDER}/`;
  const positions: HeadPosition[] = [];
  const blobs = container.listBlobsFlat({ prefix: folder, includeMetadata: true });
  for await (const { name, metadata } of listed(blobs)) {
    const { topic = '', topicId = '', partition } = PATH.exec(name.slice(folder.length))?.groups ?? {};
    if (!topics.has(topic)) continue;
    const source = { topic, topicId, partition: Number(partition) };
    const shown = shownIn(metadata);
    positions.push({ ...source, ...(shown ?? (await readHead(new HeadStore(container, prefix), source))) });
  }
  return positions;
}

/** Whoever edits a head by hand leaves them out. */
function shownIn(metadata: Readonly<Record<string, string>> | undefined): Position | null {
  const number = (wanted: string): number => {
    const found = Object.entries(metadata ?? {}).find(([key]) => key.toLowerCase() === wanted)?.[1];
    return found !== undefined && /^\d{1,16}$/.test(found) ? Number(found) : Number.NaN;
  };
  const [begin, next] = [number('begin'), number('next')];
  return Number.isSafeInteger(begin) && Number.isSafeInteger(next) ? { begin, next } : null;
}

async function readHead(heads: HeadStore, source: PartitionRef): Promise<Position> {
  const { head } = await heads.read(source);
  if (head === null)
    throw new Outage('blob', `the head of ${source.topic}/${source.partition} was there and is not any more`);
  return { begin: head.begin, next: head.next };
}
