/** What has been stored of each partition, counted where it went to, by means that the pipelines have no part in. */
import { BlobServiceClient } from '@azure/storage-blob';
import type { PipelineName } from '../../config/schema.ts';
import type { WholeLedger } from '../helpers/whole-ledger.ts';

/** Distinct offsets by `<topic>/<partition>`. */
export type Stored = ReadonlyMap<string, number>;

export async function storedBy(pipeline: PipelineName, ledger: WholeLedger): Promise<Stored> {
  if (pipeline === 'archive') return archived(ledger);
  const tables = pipeline === 'tracking' ? ['events', 'campaigns'] : ['profile_changes'];
  const names = new Map([...(await ledger.topicIds())].map(([topic, id]) => [id, topic]));
  const stored = new Map<string, number>();
  for (const table of tables) {
    const rows = await ledger.rows<{ source: string; distinct: string | number }>(
      `SELECT source, uniqExact(offset) AS distinct FROM ${table} GROUP BY source`,
    );
    for (const { source, distinct } of rows) {
      const [id = '', partition] = source.split('/');
      stored.set(`${names.get(id)}/${partition}`, Number(distinct));
    }
  }
  return stored;
}

const NAME = /^[^/]+\/([^/]+)\/dt=[^/]+\/hour=[^/]+\/(\d+)-(\d+)-(\d+)-/;

/**
 * By what the listing says: segments whose ranges lie side by side from offset 0 on, and their counts.
 * @throws {Error} at a gap or an overlap
 */
async function archived({ config: { blob } }: WholeLedger): Promise<Stored> {
  const service = BlobServiceClient.fromConnectionString(blob.connectionString ?? '');
  const container = service.getContainerClient(blob.container);
  const batches = new Map<string, Map<number, { last: number; count: number }>>();
  for (const folder of ['raw', 'undecodable']) {
    const options = { prefix: `${blob.prefix}${folder}/`, includeMetadata: true };
    for await (const { name, metadata } of container.listBlobsFlat(options)) {
      const [, topic, partition, first, last] = NAME.exec(name.slice(blob.prefix.length)) ?? [];
      if (topic === undefined) throw new Error(`${name} is not the path of a segment`);
      const key = `${topic}/${Number(partition)}`;
      const own = batches.get(key) ?? new Map<number, { last: number; count: number }>();
      batches.set(key, own);
      const before = own.get(Number(first))?.count ?? 0;
      own.set(Number(first), { last: Number(last), count: before + Number(metadata?.count) });
    }
  }
  return new Map([...batches].map(([partition, own]) => [partition, sumOfChain(partition, own)]));
}

function sumOfChain(
  partition: string,
  batches: ReadonlyMap<number, { last: number; count: number }>,
): number {
  let next = 0;
  let sum = 0;
  for (const [first, { last, count }] of [...batches].sort(([a], [b]) => a - b)) {
    if (first !== next) throw new Error(`archive of ${partition}: ${first}..${last} where ${next} is next`);
    next = last + 1;
    sum += count;
  }
  return sum;
}

/** Offsets that Kafka has and the store has not, or the other way round. @param bad offsets that are dead letters */
export function missing(ends: ReadonlyMap<string, number>, stored: Stored, bad: Stored = new Map()): number {
  const partitions = new Set([...ends.keys(), ...stored.keys()]);
  return [...partitions].reduce((sum, partition) => {
    const expected = (ends.get(partition) ?? 0) - (bad.get(partition) ?? 0);
    return sum + Math.abs(expected - (stored.get(partition) ?? 0));
  }, 0);
}
