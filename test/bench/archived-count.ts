/** Archived records, counted by ClickHouse's own Avro reader, which shares no code with the archive. */
import type { Trial } from './trial.ts';

/** How many distinct ones there are; throws when one stands there twice. */
export async function countArchived(trial: Trial): Promise<number> {
  const { blob } = trial.config;
  const answer = await trial.server.query({
    query: `SELECT uniqExact(partition, offset), count()
      FROM azureBlobStorage({connection:String}, {container:String}, {path:String}, 'Avro', 'auto',
        'partition Int32, offset Int64')`,
    query_params: {
      connection: blob.connectionString,
      container: blob.container,
      path: `${blob.prefix}raw/${trial.topic}/**.avro`,
    },
    format: 'JSONCompactEachRow',
  });
  const [[distinct, all] = [0, 0]] = await answer.json<[string, string]>();
  if (distinct !== all) throw new Error(`of ${all} archived records only ${distinct} are distinct`);
  return Number(distinct);
}
