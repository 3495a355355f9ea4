/** `restore --all`: the tables from the archive alone, and the pipelines' progress set to where the archive ends. */
import type { PipelineName } from '../../config/schema.ts';
import { type TopicRole, topicNames } from '../../config/topics.ts';
import { rebuildIndex } from '../archive/segments-index.ts';
import type { ClickHouseClient } from '../common/clickhouse/client.ts';
import { Progress } from '../common/clickhouse-sink/progress.ts';
import { retryOutage } from '../common/retry.ts';
import { DAY_MS, dayOf } from '../retention/days.ts';
import { takeRetentionLock } from '../retention/retention-lock.ts';
import { LEDGER_TABLES } from '../verify/ledger-table.ts';
import { EVERYTHING } from './choice.ts';
import { type DaysContext, EventDays } from './event-days.ts';
import { createLetGoEvents, dropLetGoEvents, LET_GO_EVENTS } from './let-go-events.ts';
import type { RestoreContext } from './request.ts';
import { type Loaded, loadTopics } from './to-clickhouse.ts';

const LOCK_WAIT_MS = 600_000;

const ROLES = Object.keys(LEDGER_TABLES) as TopicRole[];

export interface WholeRequest {
  readonly client: ClickHouseClient;
  /** Who restores, for the note beside the progress. */
  readonly by: string;
}

export interface WholeRestored {
  readonly loaded: readonly Loaded[];
  readonly segments: number;
  /** Partitions whose progress was set. */
  readonly partitions: number;
}

/**
 * Retention waits meanwhile: it takes what lies below its offsets for being in the tables.
 * @throws {LockTaken} @throws {LockLost} @throws {UnreadableSegment} @throws {DamagedArchive}
 */
export async function restoreAll(context: RestoreContext, request: WholeRequest): Promise<WholeRestored> {
  const { config, place, container, logger, clock, signal, say } = context;
  const { client } = request;
  const { prefix } = place;
  const retry = <T>(what: string, work: () => Promise<T>) =>
    retryOutage(work, { retry: config.retry, logger, signal, what });
  const onWait = (holder: string) => say(`waiting for retention to end (${holder})`);
  const lock = await retry('taking the lock of retention', () =>
    takeRetentionLock(container, { prefix, clock, waitMs: LOCK_WAIT_MS, onWait }),
  );
  try {
    const days: DaysContext = { container, prefix, client, config, clock, onWait };
    const eventDays = await retry('reading what was exported', () => EventDays.read(days));
    if (eventDays.hasExported) {
      await retry('setting what the table lets go', () => eventDays.setGate());
      await retry('making a way past events', () => createLetGoEvents(client, config));
    }
    const names = topicNames(config);
    const topics = ROLES.map((role) => ({ role, topic: names[role] }));
    let [segments, partitions] = [0, 0];
    const loaded = await loadTopics(context, {
      topics,
      choice: EVERYTHING,
      client,
      job: { all: true },
      believedForMs: DAY_MS,
      beforeStore: () => lock.assertHeld(),
      beforeEnd: async (stored) => {
        if (eventDays.hasExported) await retry('tidying up', () => dropLetGoEvents(client, config));
        segments = await retry('filling archive_segments', () =>
          rebuildIndex({
            ...place,
            client,
            database: config.clickhouse.database,
            topics: Object.values(names),
          }),
        );
        partitions = await retry('setting the progress', () => setProgress(context, request, stored));
      },
      route: {
        prepare: async () => {},
        tableFor: (source, { record: { offset }, eventTime }) => {
          if (!eventDays.hasExported) return 'events';
          const day = dayOf(eventTime);
          const isGone = eventDays.isExported(day, source, offset) && eventDays.goesAt(day) <= clock.now();
          return isGone ? LET_GO_EVENTS : 'events';
        },
      },
    });
    return { loaded, segments, partitions };
  } finally {
    await lock.release();
  }
}

/** When everything else is done: a pipeline that begins earlier finds nothing to go on from. */
async function setProgress(
  { config, clock, signal }: RestoreContext,
  { client, by }: WholeRequest,
  loaded: readonly Loaded[],
): Promise<number> {
  const names = topicNames(config);
  const note = `restored from the archive by ${by}`;
  let partitions = 0;
  for (const pipeline of ['tracking', 'profiles'] satisfies PipelineName[]) {
    const own = new Set(
      ROLES.filter((role) => LEDGER_TABLES[role].pipeline === pipeline).map((role) => names[role]),
    );
    const targets = loaded
      .filter(({ topic }) => own.has(topic))
      .flatMap(({ sources }) => sources)
      .flatMap(({ source, loadedTo }) => (loadedTo === null ? [] : [{ source, next: loadedTo }]));
    await new Progress({ pipeline, client, clock, signal }).moveTo(targets, { note });
    partitions += targets.length;
  }
  return partitions;
}
