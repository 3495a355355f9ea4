/** Brings topics, schemas, container and tables to what this version needs: plan, lock, plan again, apply. */
import { readFileSync } from 'node:fs';
import type { Config } from '../../config/schema.ts';
import { type ContainerClient, createContainer } from '../../pipelines/common/blob/container.ts';
import { createClickHouse } from '../../pipelines/common/clickhouse/client.ts';
import type { Clock } from '../../pipelines/common/clock.ts';
import { createAdmin } from '../../pipelines/common/kafka/admin.ts';
import { createRegistryHttp } from '../../pipelines/common/registry/registry-http.ts';
import { type Migration, readMigrations } from './clickhouse/migration-files.ts';
import { planTables } from './clickhouse/plan-tables.ts';
import { takeMigrationLock } from './migration-lock.ts';
import { type Change, joinPlans, type Plan } from './plan.ts';
import { planContainer } from './plan-container.ts';
import { planSubjects } from './subjects.ts';
import { planTopics } from './topics/plan-topics.ts';

export interface MigrateOptions {
  readonly clock: Clock;
  /** Says what would be done and changes nothing. */
  readonly isPlanOnly?: boolean;
  /** Milliseconds to wait for another migration that is under way. */
  readonly waitMs?: number;
  /** Called after each thing that was done. */
  readonly onDone?: (change: Change) => void;
  /** Called once when another migration is under way. */
  readonly onWait?: (holder: string) => void;
  /** Those of this version when left out. */
  readonly migrations?: readonly Migration[];
}

export interface MigrateResult extends Plan {
  /** Done, or to be done where only a plan was asked for. */
  readonly changes: readonly Change[];
}

const DEFAULT_WAIT_MS = 300_000;

/** Nothing is done while there is a fault: the caller finds them in the result. @throws {Outage} a service is away */
export async function migrate(config: Config, options: MigrateOptions): Promise<MigrateResult> {
  const services = connect(config, options.migrations ?? readMigrations());
  try {
    const plan = await services.plan();
    if (options.isPlanOnly === true || plan.faults.length > 0 || plan.changes.length === 0) return plan;
    return await applyUnderLock(services, config, options);
  } finally {
    await services.close();
  }
}

async function applyUnderLock(
  { container, plan: makePlan }: Services,
  config: Config,
  { clock, waitMs = DEFAULT_WAIT_MS, onDone, onWait }: MigrateOptions,
): Promise<MigrateResult> {
  const done: Change[] = [];
  const carryOut = async (change: Change) => {
    await change.apply();
    done.push(change);
    onDone?.(change);
  };
  // The lock lies in the container, so the container comes before it; two who create it do no harm.
  for (const change of (await planContainer(container)).changes) await carryOut(change);
  const lock = await takeMigrationLock(container, {
    prefix: config.blob.prefix,
    clock,
    waitMs,
    ...(onWait === undefined ? {} : { onWait }),
  });
  try {
    // What was planned without the lock may have been done by whoever held it.
    const plan = await makePlan();
    if (plan.faults.length > 0) return { ...plan, changes: done };
    for (const change of plan.changes) {
      await lock.assertHeld();
      await carryOut(change);
    }
    return { ...plan, changes: done };
  } finally {
    await lock.release();
  }
}

interface Services {
  readonly container: ContainerClient;
  plan(): Promise<Plan>;
  close(): Promise<void>;
}

function connect(config: Config, migrations: readonly Migration[]): Services {
  const container = createContainer(config);
  const admin = createAdmin(config);
  const registry = createRegistryHttp(config.schemaRegistry);
  // The database may not be there yet: every statement names its own.
  const clickhouse = createClickHouse(config, { database: null });
  return {
    container,
    plan: async () =>
      joinPlans([
        await planContainer(container),
        await planTopics(config, admin),
        await planSubjects(config, registry),
        await planTables(clickhouse, { names: config.clickhouse, migrations, program: programVersion() }),
      ]),
    close: async () => {
      admin.close();
      await Promise.all([registry.close(), clickhouse.close()]);
    },
  };
}

function programVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
