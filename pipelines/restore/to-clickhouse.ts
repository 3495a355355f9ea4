/** From the archive into the tables: rows beside what is already there, where they change nothing that is the same. */

import type { TopicRole } from '../../config/topics.ts';
import { ColdStore } from '../cold/cold-store.ts';
import { partitionKey } from '../common/batch.ts';
import type { ClickHouseClient } from '../common/clickhouse/client.ts';
import { retryOutage } from '../common/retry.ts';
import { LEDGER_TABLES } from '../verify/ledger-table.ts';
import type { Choice } from './choice.ts';
import { firstGone, type PlannedSource, type TopicPlan } from './plan.ts';
import { schemasOf } from './plan-schemas.ts';
import type { UnreadableSegment } from './read-batch.ts';
import { readSource } from './read-source.ts';
import { planned, type RestoreContext } from './request.ts';
import { RestoreState } from './restore-state.ts';
import { type EventRoute, RowLoader } from './row-loader.ts';

export interface LoadRequest {
  readonly topics: readonly { readonly role: TopicRole; readonly topic: string }[];
  readonly choice: Choice;
  readonly client: ClickHouseClient;
  /** For rows of `events`. */
  readonly route: EventRoute;
  /** Of what this restore would do: the same one goes on where one that was stopped had come to. */
  readonly job: unknown;
  /** For so long what a restore had stored that was stopped is taken for being there. */
  readonly believedForMs: number;
  /** Before anything is stored, again and again. */
  readonly beforeStore: () => Promise<void>;
  /** What is still to be done when everything is stored: a restore that is stopped there does not store it again. */
  readonly beforeEnd?: (loaded: readonly Loaded[]) => Promise<void>;
}

export interface Loaded {
  readonly topic: string;
  /** Segments of it in the archive. */
  readonly listed: number;
  /** Rows stored. */
  readonly rows: number;
  /** Records that can be no row. */
  readonly refused: number;
  /** What could not be read. */
  readonly damages: number;
  readonly sources: readonly LoadedSource[];
}

export interface LoadedSource extends Pick<PlannedSource, 'source'> {
  /** Before this offset nothing that was archived is missing in the tables; null where the archive does not say. */
  readonly loadedTo: number | null;
}

/** @throws {UnreadableSegment} @throws {DamagedArchive} */
export async function loadTopics(context: RestoreContext, request: LoadRequest): Promise<Loaded[]> {
  const { config, logger, signal, clock } = context;
  const { client, job, believedForMs } = request;
  const retry = <T>(what: string, work: () => Promise<T>) =>
    retryOutage(work, { retry: config.retry, logger, signal, what });
  const state = new RestoreState({ client, clock, job, believedForMs });
  const before = await retry('reading how far a restore has come', () => state.read());
  const loaded: Loaded[] = [];
  const topics = request.topics.map(({ topic }) => topic);
  const plans = await planned(context, { topics, choice: request.choice, decodes: true });
  for (const [index, plan] of plans.entries()) {
    const role = request.topics[index]?.role;
    if (role !== undefined) loaded.push(await loadTopic(context, { ...request, role, plan, state, before }));
  }
  await request.beforeEnd?.(loaded);
  await retry('noting the end', () => state.clear());
  return loaded;
}

interface TopicRequest extends LoadRequest {
  readonly role: TopicRole;
  readonly plan: TopicPlan;
  readonly state: RestoreState;
  readonly before: ReadonlyMap<string, number>;
}

async function loadTopic(context: RestoreContext, request: TopicRequest): Promise<Loaded> {
  const { place, config, logger, signal, skipDamaged, say } = context;
  const { role, plan, choice, client, route, state, before, beforeStore } = request;
  const { topic } = plan;
  const table = LEDGER_TABLES[role];
  const damaged = new Set<string>();
  const skip = ({ path, message }: UnreadableSegment) => {
    if (!damaged.has(path)) say(`skipped: ${message}`);
    damaged.add(path);
  };
  const schemas = schemasOf(context, plan, skipDamaged ? skip : null);
  const loader = new RowLoader({
    table,
    topic,
    choice,
    schemas,
    route: table.table === 'events' ? route : null,
    client,
    cold: new ColdStore(context.place.container, context.place.prefix),
    config,
    logger,
    signal,
    beforeStore,
    onStored: (reached) => state.note(reached.values()),
  });
  const bar = context.onTopic(plan);
  let read = 0;
  try {
    for (const planned of plan.sources) {
      const { source } = planned;
      const gone = firstGone(plan, source);
      if (gone !== null) loader.missed(source, gone);
      const from = before.get(partitionKey(source)) ?? 0;
      if (from > 0) say(`going on with ${topic}/${source.partition} at offset ${from}`);
      const reading = {
        place,
        choice,
        config,
        logger,
        signal,
        onRead: (records: number) => {
          read += records;
          bar.update(read);
        },
        onUnreadable: skipDamaged
          ? ({ first }: { first: number }, error: UnreadableSegment) => {
              skip(error);
              loader.missed(source, first);
            }
          : null,
      };
      await readSource(planned, from, reading, {
        records: (header, records) => loader.add(header, source, records),
        reached: (next) => loader.reached(source, next),
      });
    }
    await loader.flush();
  } finally {
    bar.finish();
  }
  const sources = plan.sources.map(({ source, archivedTo }): LoadedSource => {
    const missing = loader.firstMissing(source);
    return { source, loadedTo: archivedTo === null ? null : Math.min(archivedTo, missing ?? archivedTo) };
  });
  const { rows, refused } = loader;
  return {
    topic,
    listed: plan.listed,
    rows,
    refused,
    damages: plan.discrepancies.length + damaged.size,
    sources,
  };
}
