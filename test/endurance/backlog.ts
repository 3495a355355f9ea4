/** A backlog of millions, read by one process a pipeline at default settings: how much memory, and is all of it there? */
import type { PipelineName } from '../../config/schema.ts';
import type { WorldValue } from '../../deploy/local/world/world-record.ts';
import { progressBar } from '../../pipelines/common/progress-bar.ts';
import { profileLoad } from '../bench/load.ts';
import { produce } from '../bench/produce.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';
import { MOST_RSS, type Scenario, type ScenarioOptions } from './finding.ts';
import { eventLoad } from './load.ts';
import { MemoryWatch } from './memory-watch.ts';
import { missing, storedBy } from './stored.ts';

const LOOK_MS = 1_000;
const SAY_MS = 20_000;
const GIVE_UP_MS = 4 * 3_600_000;

export const backlog: Scenario = async (options) => {
  const { stack, events, seed, pipelines, say } = options;
  await using ledger = await WholeLedger.create(stack.configFile, { sizes: 'default' });
  const load = { records: events, seed, until: Math.floor(Date.now() / 86_400_000) * 86_400_000 };
  const isRead = (...by: readonly PipelineName[]) => pipelines.some((pipeline) => by.includes(pipeline));
  if (isRead('tracking', 'archive')) await fill(ledger, 'events', { records: events, load: eventLoad(load) });
  if (isRead('archive', 'profiles'))
    await fill(ledger, 'profile changes', { records: events, load: profileLoad(load) });
  for (const pipeline of pipelines) {
    say(`${pipeline} reads its backlog`);
    await readAll(pipeline, ledger, options);
  }
  // Held against one another is what all three have read.
  if (isRead('tracking') && isRead('archive') && isRead('profiles')) await verifyAll(ledger, options);
};

async function verifyAll(ledger: WholeLedger, { say, found }: ScenarioOptions): Promise<void> {
  say('verify --deep reads all of it');
  const begun = performance.now();
  const running = ledger.startCommand('verify', ['--deep', '--format', 'json']);
  using memory = new MemoryWatch(running.pid);
  const { code } = await running.ended;
  if (code !== 0) throw new Error(`verify ended with exit code ${code}\n${running.tail}`);
  const seconds = (performance.now() - begun) / 1_000;
  found({ what: 'verify, peak RSS', value: memory.peakMb, unit: 'MB', bound: MOST_RSS });
  const records = sumOf(await ledger.ends('archive'));
  found({ what: 'verify, rate', value: records / seconds, unit: 'records/s', bound: null });
}

async function fill(
  { config }: WholeLedger,
  what: string,
  { records, load }: { records: number; load: Iterable<WorldValue> },
): Promise<void> {
  const bar = progressBar(`${what} produced`, records);
  await produce(config, load, (sent) => bar.update(sent));
  bar.finish();
}

async function readAll(
  pipeline: PipelineName,
  ledger: WholeLedger,
  { say, found }: ScenarioOptions,
): Promise<void> {
  const ends = await ledger.ends(pipeline);
  const total = sumOf(ends);
  const begun = performance.now();
  const running = ledger.start([pipeline]);
  using memory = new MemoryWatch(running.pid);
  const reporter = setInterval(() => {
    void ledger
      .committed(pipeline)
      .then((committed) =>
        say(`   ${sumOf(committed).toLocaleString('en-US')} of ${total.toLocaleString('en-US')}`),
      )
      .catch(() => {});
  }, SAY_MS);
  try {
    await ledger.caughtUp([pipeline], { withinMs: GIVE_UP_MS, everyMs: LOOK_MS });
  } finally {
    clearInterval(reporter);
  }
  const seconds = (performance.now() - begun) / 1_000;
  found({ what: `${pipeline}, peak RSS`, value: memory.peakMb, unit: 'MB', bound: MOST_RSS });
  await running.stop();
  found({ what: `${pipeline}, records read`, value: total, unit: 'records', bound: null });
  found({ what: `${pipeline}, rate`, value: total / seconds, unit: 'records/s', bound: null });
  const stored = await storedBy(pipeline, ledger);
  found({
    what: `${pipeline}, offsets missing or too many`,
    value: missing(ends, stored),
    unit: 'records',
    bound: { exactly: 0 },
  });
}

function sumOf(offsets: ReadonlyMap<string, number>): number {
  return [...offsets.values()].reduce((sum, offset) => sum + offset, 0);
}
