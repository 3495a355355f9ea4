/** Whether ClickHouse may lack profile changes of a user. */
import type { Manifest } from '../cold/manifest.ts';
import type { ReportReader, UserKey } from './read-clickhouse.ts';

/** While profile changes stay in ClickHouse for good, as they do by default, nobody asks Blob for any. */
export async function changesMayBeCold(
  _reader: ReportReader,
  { profile_changes: { files } }: Manifest,
  _user: UserKey,
): Promise<boolean> {
  return files !== null;
}
