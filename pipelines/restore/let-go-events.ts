/**
 * Rows of days that retention had let go: not into `events` any more, but into what is kept longer and filled from there.
 * They go through a table that stores nothing and has views like those of `events`.
 */
import type { Config } from '../../config/schema.ts';
import { onCluster } from '../../schemas/migrate/clickhouse/migration-files.ts';
import { asOutage, type ClickHouseClient } from '../common/clickhouse/client.ts';
import { selectRows } from '../common/clickhouse/select.ts';

export const LET_GO_EVENTS = 'events_let_go';

/** The views that fill tables from `events`, with those tables. */
const VIEWS: ReadonlyMap<string, string> = new Map([
  ['message_events_from_events', 'message_events'],
  ['message_campaigns_from_events', 'message_campaigns'],
]);

const passingName = (view: string) => `${view}_let_go`;

/** Until `dropLetGoEvents`. @throws {Outage} @throws {Error} the views of `events` are not those that this release knows */
export async function createLetGoEvents(client: ClickHouseClient, config: Config): Promise<void> {
  await dropLetGoEvents(client, config);
  const views = await selectRows<[name: string, select: string]>(
    client,
    `SELECT name, as_select FROM system.tables
     WHERE database = currentDatabase() AND engine = 'MaterializedView'
       AND match(as_select, 'FROM [^ ]*events\\\\s*$') ORDER BY name`,
    {},
  );
  const unknown = views.map(([name]) => name).filter((name) => !VIEWS.has(name));
  if (unknown.length > 0 || views.length !== VIEWS.size)
    throw new Error(
      `the tables are not those of this release (views of events: ${views.map(([name]) => name).join(', ') || 'none'}): run campaign-ledger migrate`,
    );
  await command(
    client,
    `CREATE TABLE ${LET_GO_EVENTS} ${onCluster(config.clickhouse)} AS events ENGINE = Null`,
  );
  for (const [name, select] of views) {
    const passing = select.replace(/FROM \S*events\s*$/, `FROM ${LET_GO_EVENTS}`);
    await command(
      client,
      `CREATE MATERIALIZED VIEW ${passingName(name)} ${onCluster(config.clickhouse)} TO ${VIEWS.get(name)} AS ${passing}`,
    );
  }
}

/** @throws {Outage} */
export async function dropLetGoEvents(client: ClickHouseClient, config: Config): Promise<void> {
  for (const name of [...VIEWS.keys()].map(passingName))
    await command(client, `DROP VIEW IF EXISTS ${name} ${onCluster(config.clickhouse)} SYNC`);
  await command(client, `DROP TABLE IF EXISTS ${LET_GO_EVENTS} ${onCluster(config.clickhouse)} SYNC`);
}

async function command(client: ClickHouseClient, query: string): Promise<void> {
  await client.command({ query }).catch((error: unknown) => {
    throw asOutage(error);
  });
}
