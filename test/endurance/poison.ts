/** Half a million bad records in one partition: how long do the others wait, and is each bad one a letter, once? */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PipelineName } from '../../config/schema.ts';
import { deadLetterTopic } from '../../config/topics.ts';
import { Random } from '../../deploy/local/world/random.ts';
import { RECORD_OVERHEAD_BYTES } from '../../pipelines/common/runner/packed-records.ts';
import { EventStream, type StreamRole } from '../helpers/event-stream.ts';
import { consumeEach } from '../helpers/kafka-witness.ts';
import type { Sent } from '../helpers/ledger-harness.ts';
import { change, feedback } from '../helpers/ledger-values.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';
import { DelayWatch } from './delay-watch.ts';
import { type Finding, MOST_RSS, type Scenario, type ScenarioOptions } from './finding.ts';
import { MemoryWatch } from './memory-watch.ts';
import { missing, storedBy } from './stored.ts';

const PIPELINES: readonly PipelineName[] = ['tracking', 'archive', 'profiles'];
/** Bursts come in here, everything else in the other partitions. */
const PARTITION = 0;
const AT_ONCE = 20_000;
const QUIET_MS = 30_000;
const CATCH_UP_MS = 3_600_000;
/**
 * What is read stands in one line: a record waits at most for what the client and the buffers of the pipeline hold in
 * front of it, however long the burst goes on. That is the bound, with room for what a machine does besides.
 */
const MOST_TIMES = 1.5;

export const poison: Scenario = async (options) => {
  for (const role of ['feedback', 'profiles'] as const) await oneTopic(role, options);
};

async function oneTopic(
  role: StreamRole,
  { stack, burst, seed, say, found }: ScenarioOptions,
): Promise<void> {
  await using ledger = await WholeLedger.create(stack.configFile, {
    sizes: 'default',
    // With the default minute nobody could tell what holds a record up.
    overrides: { pipelines: { archive: { flushIntervalMs: 2_000 } } },
  });
  const children = PIPELINES.map((pipeline) => ledger.start([pipeline]));
  using memory = new DisposableStack();
  const watches = children.map(({ pid }) => memory.use(new MemoryWatch(pid)));
  const stream = new EventStream(ledger.harness, {
    roles: ['delivery', 'feedback', 'profiles'],
    perSecond: 150,
    partitionOf: (_role, index) => 1 + (index % 3),
  });
  stream.start();
  const isWatched = (partition: string) => !partition.endsWith(`/${PARTITION}`);
  const delays = PIPELINES.map(
    (pipeline) => [pipeline, new DelayWatch(ledger, { pipeline, isWatched })] as const,
  );
  await sleep(QUIET_MS);
  for (const [, delay] of delays) delay.start();
  await sleep(QUIET_MS);
  const worst = () => new Map(delays.map(([pipeline, delay]) => [pipeline, delay.takeWorst()]));
  const quiet = worst();
  const during = async (what: string, records: (from: number) => Sent[]): Promise<Passed> => {
    say(`${burst.toLocaleString('en-US')} ${what} of ${role} in one partition`);
    const begun = performance.now();
    let bytes = 0;
    for (let from = 0; from < burst; from += AT_ONCE) {
      const some = records(from).map((record) => ({ ...record, partition: PARTITION }));
      for (const { key, value } of some) bytes += Buffer.byteLength(key ?? '') + (value?.length ?? 0);
      await ledger.harness.produce(role, some);
    }
    const seconds = await untilPast(ledger, begun);
    return { worst: worst(), seconds, bytes: bytes + burst * RECORD_OVERHEAD_BYTES };
  };
  const random = new Random(seed, 6);
  const good = await during('good records', (from) => goodOnes(ledger, role, { from, random }));
  const bad = await during('bad records', (from) => badOnes(ledger, role, { from, random }));
  await stream.stop();
  for (const [, delay] of delays) await delay.stop();
  await ledger.caughtUp(PIPELINES, { withinMs: CATCH_UP_MS, everyMs: 1_000 });

  for (const pipeline of PIPELINES) {
    const delay = (what: string, value: number | undefined, bound: Finding['bound'] = null) =>
      found({
        what: `${role}: ${pipeline}, worst delay of the others ${what}`,
        value: value ?? 0,
        unit: 's',
        bound,
      });
    const calm = quiet.get(pipeline);
    delay('in quiet times', calm);
    delay('during as many good records', good.worst.get(pipeline));
    const held =
      ledger.config.pipelines[pipeline].maxBufferedBytes + ledger.config.kafka.queuedMaxKbytes * 1_024;
    const workedOff = (held / bad.bytes) * (bad.seconds.get(pipeline) ?? 0);
    delay('during the burst', bad.worst.get(pipeline), { atMost: MOST_TIMES * (workedOff + (calm ?? 0)) });
    const rate = { value: burst / (bad.seconds.get(pipeline) ?? 0), unit: 'records/s' } as const;
    found({ what: `${role}: ${pipeline}, passes the burst at`, ...rate, bound: null });
  }
  const letters = await lettersOf(ledger, role);
  found({ what: `${role}: dead letters`, value: letters.size, unit: 'records', bound: { exactly: burst } });
  for (const [index, pipeline] of PIPELINES.entries()) {
    const bound =
      pipeline === 'archive'
        ? new Map<string, number>()
        : new Map([[`${ledger.topic(role)}/${PARTITION}`, burst]]);
    const gone = missing(
      await ledger.ends(pipeline),
      await storedBy(pipeline, ledger),
      readsIt(pipeline, role) ? bound : new Map(),
    );
    found({
      what: `${role}: ${pipeline}, offsets missing or too many`,
      value: gone,
      unit: 'records',
      bound: { exactly: 0 },
    });
    found({
      what: `${role}: ${pipeline}, peak RSS`,
      value: watches[index]?.peakMb ?? 0,
      unit: 'MB',
      bound: MOST_RSS,
    });
  }
  for (const child of children) await child.stop();
}

const readsIt = (pipeline: PipelineName, role: StreamRole) =>
  (pipeline === 'profiles') === (role === 'profiles');

interface Passed {
  /** Seconds, by pipeline. */
  readonly worst: ReadonlyMap<PipelineName, number>;
  /** From its first record to the commit of its last, by pipeline. */
  readonly seconds: ReadonlyMap<PipelineName, number>;
  /** As the buffers count them. */
  readonly bytes: number;
}

/** Until everything that stands there now is stored; more comes all the time. @returns how long after `begun`, in seconds */
async function untilPast(ledger: WholeLedger, begun: number): Promise<ReadonlyMap<PipelineName, number>> {
  const waiting = PIPELINES.map(async (pipeline) => {
    const ends = await ledger.ends(pipeline);
    for (;;) {
      const committed = await ledger.committed(pipeline);
      if ([...ends].every(([partition, end]) => (committed.get(partition) ?? 0) >= end)) break;
      await sleep(500);
    }
    return [pipeline, (performance.now() - begun) / 1_000] as const;
  });
  return new Map(await Promise.all(waiting));
}

interface Burst {
  readonly from: number;
  readonly random: Random;
}

function goodOnes({ harness }: WholeLedger, role: StreamRole, { from }: Burst): Sent[] {
  return Array.from({ length: AT_ONCE }, (_, index) => {
    const id = `good-${from + index}`;
    const user_id = `u${(from + index) % 5_000}`;
    const value =
      role === 'profiles'
        ? change({ change_id: id, user_id, op: 'PATCH', attributes: `{"id":"${id}"}` })
        : feedback({ event_id: id, user_id, message_id: id });
    return { key: `acme/${user_id}`, value: harness.encode(role, value) };
  });
}

/** As one broken producer sends them; one in a hundred names a schema of its own that nobody knows. */
function badOnes(ledger: WholeLedger, role: StreamRole, burst: Burst): Sent[] {
  return goodOnes(ledger, role, burst).map(({ key = null, value }, index) => {
    const bytes = Buffer.from(value ?? []);
    if (index % 100 === 0) bytes.writeUInt32BE(burst.random.between(1_000_000, 0x7fff_ffff), 1);
    else if (index % 3 === 0) bytes[0] = 0x7b;
    else if (index % 3 === 1) return { key, value: bytes.subarray(0, -2) };
    else bytes[5] = 1;
    return { key, value: bytes };
  });
}

/** Each once, by where the record stood. */
async function lettersOf(ledger: WholeLedger, role: StreamRole): Promise<ReadonlySet<string>> {
  const origins = new Set<string>();
  const topic = deadLetterTopic(ledger.topic(role));
  await consumeEach(
    { brokers: ledger.config.kafka.brokers, partitions: await ledger.partitions([topic]) },
    ({ headers }) => {
      const dl = Object.fromEntries(headers);
      origins.add(`${dl['dl.partition']}/${dl['dl.offset']}`);
    },
  );
  return origins;
}
