/** Each part of the stack away for minutes under load: memory stays, members stay, the others go on, and nothing is missing. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PipelineName } from '../../config/schema.ts';
import type { PartName } from '../../deploy/local/stack/stack-state.ts';
import type { Part } from '../../deploy/local/supervisor/part.ts';
import { EventStream } from '../helpers/event-stream.ts';
import type { PipelineChild } from '../helpers/pipeline-child.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';
import { DelayWatch } from './delay-watch.ts';
import { MOST_RSS, type Scenario, type ScenarioOptions } from './finding.ts';
import { membersOf } from './group-members.ts';
import { MemoryWatch } from './memory-watch.ts';
import { missing, storedBy } from './stored.ts';

const PIPELINES: readonly PipelineName[] = ['tracking', 'archive', 'profiles'];

/** Who cannot store anything without it. Schemas that are known are not asked for again. */
const NEEDED_BY: Readonly<Record<PartName, readonly PipelineName[]>> = {
  clickhouse: ['tracking', 'profiles'],
  blob: ['archive'],
  registry: [],
  kafka: PIPELINES,
};

/** In ten minutes more than twice what the buffers of a process hold. */
const PER_SECOND = 1_500;
/** Longer than every flush interval: a schema that a pipeline has never met must be asked for, registry or not. */
const WARM_MS = 90_000;
const MOST_STARTS = 5;
const AFTERWARDS_MS = 20_000;
const CATCH_UP_MS = 3_600_000;
/** Beyond the flush interval, on a machine that has other things to do. */
const SLACK_S = 30;

export const outage: Scenario = async (options) => {
  for (const part of options.parts) await onePart(part, options);
};

async function onePart(part: PartName, { stack, minutes, say, found }: ScenarioOptions): Promise<void> {
  say(`${part} is away for ${minutes} minutes`);
  await using ledger = await WholeLedger.create(stack.configFile, { sizes: 'default' });
  const children = new Map(PIPELINES.map((pipeline) => [pipeline, ledger.start([pipeline])]));
  using memory = new DisposableStack();
  const watches = new Map(
    [...children].map(([pipeline, { pid }]) => [pipeline, memory.use(new MemoryWatch(pid))]),
  );
  for (const [pipeline, child] of children)
    await child.until(`${pipeline} ready`, async () => (await child.get('/readyz')).status === 200, 300_000);
  const stream = new EventStream(ledger.harness, {
    roles: ['delivery', 'feedback', 'profiles'],
    perSecond: PER_SECOND,
  });
  stream.start();
  await sleep(WARM_MS);
  const before = new Map<PipelineName, ReadonlySet<string>>();
  for (const pipeline of PIPELINES) before.set(pipeline, await membersOf(ledger, pipeline));
  const assignedBefore = assignments(children);
  const goingOn = PIPELINES.filter((pipeline) => !NEEDED_BY[part].includes(pipeline));
  const delays = goingOn.map((pipeline) => [pipeline, new DelayWatch(ledger, { pipeline })] as const);
  for (const [, delay] of delays) delay.start();

  if (part === 'kafka') await stream.stop();
  await stack.part(part).stop();
  let mostBuffered = 0;
  for (const endAt = performance.now() + minutes * 60_000; performance.now() < endAt; await sleep(5_000)) {
    for (const pipeline of NEEDED_BY[part]) {
      const buffered = await children
        .get(pipeline)
        ?.metric('ledger_buffered_bytes')
        .catch(() => 0);
      mostBuffered = Math.max(mostBuffered, buffered ?? 0);
    }
  }
  const lost = part === 'kafka' ? null : await membersLost(ledger, before);
  for (const [pipeline, delay] of delays) {
    const atMost = ledger.config.pipelines[pipeline].flushIntervalMs / 1_000 + SLACK_S;
    const what = `${part} away: ${pipeline} goes on, worst delay`;
    found({ what, value: delay.takeWorst(), unit: 's', bound: { atMost } });
  }
  await startAgain(stack.part(part));
  const backAt = performance.now();
  if (part === 'kafka') stream.start();
  await sleep(AFTERWARDS_MS);
  await stream.stop();
  await ledger.caughtUp(PIPELINES, { withinMs: CATCH_UP_MS, everyMs: 1_000 });
  found({
    what: `${part} back: all caught up after`,
    value: (performance.now() - backAt) / 1_000,
    unit: 's',
    bound: null,
  });
  for (const [, delay] of delays) await delay.stop();
  for (const [pipeline, watch] of watches)
    found({ what: `${part} away: ${pipeline}, peak RSS`, value: watch.peakMb, unit: 'MB', bound: MOST_RSS });
  if (NEEDED_BY[part].length > 0)
    found({ what: `${part} away: most buffered`, value: mostBuffered / 2 ** 20, unit: 'MB', bound: null });
  // Without a broker nobody can stay in a group; when it is back they must be in it again, which catching up shows.
  if (lost !== null)
    found({ what: `${part} away: members lost`, value: lost, unit: 'members', bound: { exactly: 0 } });
  const moved = assignments(children) - assignedBefore;
  found({
    what: `${part} away: assignments`,
    value: moved,
    unit: 'times',
    bound: part === 'kafka' ? null : { exactly: 0 },
  });
  let gone = 0;
  for (const pipeline of PIPELINES)
    gone += missing(await ledger.ends(pipeline), await storedBy(pipeline, ledger));
  found({
    what: `${part} away: offsets missing or too many`,
    value: gone,
    unit: 'records',
    bound: { exactly: 0 },
  });
  for (const child of children.values()) await child.stop();
}

/** A broker with millions of records to look through, on a busy machine, may need more than one patience. */
async function startAgain(part: Part): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await part.start();
    } catch (error) {
      if (attempt === MOST_STARTS) throw error;
    }
  }
}

async function membersLost(
  ledger: WholeLedger,
  before: ReadonlyMap<PipelineName, ReadonlySet<string>>,
): Promise<number> {
  let lost = 0;
  for (const [pipeline, members] of before)
    lost += members.difference(await membersOf(ledger, pipeline)).size;
  return lost;
}

/** How often partitions were handed out, by the processes' own logs. */
function assignments(children: ReadonlyMap<PipelineName, PipelineChild>): number {
  return [...children.values()].reduce(
    (sum, { log }) => sum + log.filter(({ msg }) => msg === 'partitions assigned').length,
    0,
  );
}
