/** Profile changes as records of Kafka, and the versions that the pipeline makes of them. */
import type { Batch } from '../../pipelines/common/batch.ts';
import type { ProfileChange } from '../../pipelines/profiles/fold/fold-profile.ts';
import type { LedgerHarness, Sent } from './ledger-harness.ts';
import { change } from './ledger-values.ts';

/** A change and where it stands in Kafka. */
export interface RecordedChange {
  readonly user_id: string;
  readonly change_id: string;
  readonly op: ProfileChange['op'];
  readonly changed_at: number;
  readonly source_version: number | null;
  readonly attributes: string | null;
  readonly recordedAt: number;
  readonly partition: number;
  readonly offset: number;
}

/** As the runner would hand it to the sink. @param records of one partition, in order */
export function changeBatch(
  ledger: LedgerHarness,
  tenant_id: string,
  records: readonly RecordedChange[],
): Batch {
  const [first] = records;
  if (first === undefined) throw new RangeError('an empty batch');
  const batch = ledger.batch('profiles', [], { partition: first.partition });
  const sent = records.map(
    ({ recordedAt, partition: _, offset: __, ...value }): Sent => ({
      value: ledger.encode('profiles', change({ tenant_id, ...value })),
      key: Buffer.from(`${tenant_id}/${value.user_id}`),
      timestamp: recordedAt,
    }),
  );
  const { records: kafka } = ledger.batch('profiles', sent, { partition: first.partition });
  return {
    ...batch,
    first: first.offset,
    last: records.at(-1)?.offset ?? first.offset,
    bytes: 1,
    records: Array.from(kafka, (record, index) => ({ ...record, offset: records[index]?.offset ?? 0 })),
  };
}

/** What the table holds of a tenant, user by user, in the fold's own shape. */
export async function versionsOf(
  ledger: Pick<LedgerHarness, 'rows'>,
  tenant: string,
): Promise<Record<string, unknown[]>> {
  const rows = await ledger.rows<{ user_id: string } & Record<string, unknown>>(
    `SELECT user_id, version, toUnixTimestamp64Milli(valid_from) AS validFrom, toUnixTimestamp64Milli(valid_to) AS validTo,
       deleted, attributes, toUnixTimestamp64Milli(recorded_at) AS recordedAt, change_ids AS changeIds
     FROM profile_versions FINAL WHERE tenant_id = {tenant:String} ORDER BY user_id, valid_from`,
    { tenant },
  );
  return Object.fromEntries(
    Object.entries(Object.groupBy(rows, ({ user_id }) => user_id)).map(([user, versions = []]) => [
      user,
      versions.map(({ user_id: _, ...version }) => version),
    ]),
  );
}
