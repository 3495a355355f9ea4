/** What stands in the tables of a ledger, as readers see it: one digest a table, to be held against another time's. */
import { hash } from 'node:crypto';
import type { WholeLedger } from './whole-ledger.ts';

/** With what no `*` shows. */
const SELECTS: Readonly<Record<string, string>> = {
  events: 'SELECT *, precedence FROM events FINAL',
  message_events: 'SELECT * FROM message_events FINAL',
  message_campaigns: 'SELECT * FROM message_campaigns FINAL',
  campaigns: 'SELECT * FROM campaigns FINAL',
  profile_changes: 'SELECT *, precedence FROM profile_changes FINAL',
  profile_versions: 'SELECT * FROM profile_versions FINAL',
  archive_segments: 'SELECT * FROM archive_segments FINAL',
  'view messages': 'SELECT * FROM {bi}.messages',
  'view campaign_results': 'SELECT * FROM {bi}.campaign_results',
  'view profile_versions': 'SELECT * FROM {bi}.profile_versions',
};

export interface TableDigest {
  readonly rows: number;
  readonly digest: string;
}

export async function tableDigests(ledger: WholeLedger): Promise<Record<string, TableDigest>> {
  const digests: Record<string, TableDigest> = {};
  for (const [name, select] of Object.entries(SELECTS)) {
    const lines = (await ledger.rows(select)).map((row) => JSON.stringify(row)).sort();
    digests[name] = { rows: lines.length, digest: hash('sha256', lines.join('\n')) };
  }
  return digests;
}

/** What a disk that is gone leaves behind: nothing. The tables are made anew, empty. */
export async function loseClickHouse(ledger: WholeLedger): Promise<void> {
  const { database, biDatabase } = ledger.config.clickhouse;
  const { client } = ledger.harness;
  // Named, the database need not be the one that the client is in.
  for (const name of [biDatabase, database]) await client.command({ query: `DROP DATABASE ${name} SYNC` });
  const { exitCode, stderr } = await ledger.command('migrate');
  if (exitCode !== 0) throw new Error(stderr);
}

/** Rows that have to be there again; where the pipelines and a restore stand is left as it is. */
export async function emptyTables({ harness }: WholeLedger): Promise<void> {
  const tables = ['events', 'message_events', 'message_campaigns', 'campaigns', 'profile_changes'];
  for (const table of [...tables, 'profile_versions'])
    await harness.client.command({ query: `TRUNCATE TABLE ${table} SYNC` });
}
