/** The main suite: one stack, one topic of feedback, and whoever reads it, one after the other, in several rounds. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import { topicNames } from '../../config/topics.ts';
import type { RunningStack } from '../../deploy/local/stack/start-stack.ts';
import type { WorldValue } from '../../deploy/local/world/world-record.ts';
import { systemClock } from '../../pipelines/common/clock.ts';
import { createAdmin } from '../../pipelines/common/kafka/admin.ts';
import { createLogger } from '../../pipelines/common/logger.ts';
import { progressBar } from '../../pipelines/common/progress-bar.ts';
import { retryOutage } from '../../pipelines/common/retry.ts';
import { migrate } from '../../schemas/migrate/migrate.ts';
import type { Round } from './figures.ts';
import { GroupWatch } from './group-watch.ts';
import { feedbackLoad, profileLoad } from './load.ts';
import { type Measurement, measure } from './measure.ts';
import { produce } from './produce.ts';
import type { Subject } from './subject.ts';
import { BARE, FEEDBACK_SUBJECTS, PROFILES } from './subjects.ts';
import { Trial, type TrialOptions } from './trial.ts';

export interface SuiteOptions {
  readonly stack: RunningStack;
  /** Records of feedback; a tenth of it are changes of profiles. */
  readonly events: number;
  readonly rounds: number;
  /** Names of subjects, or how they begin; null: all. */
  readonly only: readonly string[] | null;
  /** Where child processes leave their V8 CPU profiles; null: none are taken. */
  readonly profileDir: string | null;
  readonly say: (line: string) => void;
}

export interface SuiteResult {
  readonly rounds: readonly Round[];
  /** Of counts that do not match. */
  readonly discrepancies: readonly string[];
}

const SEED = 1;
/** Kept data know the groups, tables and blobs of earlier runs: each run has names of its own. */
const RUN = randomBytes(3).toString('hex');
/** The archive reads every topic: changes of profiles have one of their own, so that it does not find them. */
const PROFILES_PREFIX = 'bench-profiles.';

/** What a subject is to read. */
interface Source {
  readonly role: 'feedback' | 'profiles';
  readonly topicPrefix: string;
  readonly records: number;
}

export async function runMainSuite(options: SuiteOptions): Promise<SuiteResult> {
  const { rounds, only, events } = options;
  const isChosen = ({ name }: Subject) =>
    only === null || only.some((one) => name === one || name.startsWith(`${one}-`));
  const readers = FEEDBACK_SUBJECTS.filter(isChosen);
  const feedback: Source = { role: 'feedback', topicPrefix: '', records: events };
  const profiles: Source = {
    role: 'profiles',
    topicPrefix: PROFILES_PREFIX,
    records: Math.ceil(events / 10),
  };
  const chosen = [
    ...readers.map((subject) => ({ subject, source: feedback })),
    ...(isChosen(PROFILES) ? [{ subject: PROFILES, source: profiles }] : []),
  ];
  for (const source of new Set(chosen.map((one) => one.source))) await load(options, source);

  const discrepancies: string[] = [];
  const measured: Round[] = [];
  // The broker's first reader pays for compiling the broker's code.
  if (readers.length > 0) await measureOne(options, { subject: BARE, source: feedback, round: 0 });
  for (let round = 1; round <= rounds; round += 1) {
    const results: Record<string, Measurement> = {};
    for (const { subject, source } of rotated(chosen, round - 1)) {
      const result = await measureOne(options, { subject, source, round });
      if (result.counted === null || result.counted === source.records) results[subject.name] = result;
      else
        discrepancies.push(
          `${subject.name}, round ${round}: ${result.counted} records counted instead of ${source.records}`,
        );
    }
    measured.push(results);
  }
  return { rounds: measured, discrepancies };
}

interface One {
  readonly subject: Subject;
  readonly source: Source;
  /** 0: does not count. */
  readonly round: number;
}

async function measureOne(options: SuiteOptions, { subject, source, round }: One): Promise<Measurement> {
  const { stack, profileDir, say } = options;
  const logDir = join(stack.dataDir, 'logs');
  const name = `run_${RUN}_round${round}_${subject.name.replaceAll('-', '_')}`;
  const { role, topicPrefix, records } = source;
  const trialOptions: TrialOptions = {
    configFile: stack.configFile,
    name,
    logDir,
    events: records,
    role,
    topicPrefix,
    profileDir: round === 0 ? null : profileDir,
  };
  await mkdir(logDir, { recursive: true });
  await using trial = await Trial.create(trialOptions);
  const watch = new GroupWatch(trial.config, trial.topic);
  try {
    const result = await measure(subject, trial, { watch, clickHousePid: stack.pids.clickhouse ?? 0 });
    say(`${round === 0 ? 'warm-up' : `round ${round}`}  ${subject.name.padEnd(15)} ${describe(result)}`);
    return result;
  } finally {
    await watch.close();
  }
}

function describe({ recordsPerSecond, ownCpu, clickHouseCpu, peakRssMb, counted }: Measurement): string {
  return [
    `${Math.round(recordsPerSecond).toLocaleString('en-US').padStart(9)} records/s`,
    `CPU us/record: own ${ownCpu.toFixed(1)}, ClickHouse ${clickHouseCpu.toFixed(1)}`,
    peakRssMb === null ? '' : `peak ${Math.round(peakRssMb)} MB`,
    counted === null ? '' : `counted ${counted.toLocaleString('en-US')}`,
  ]
    .filter((part) => part !== '')
    .join(', ');
}

/** Nobody always comes after the same neighbour. */
function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

/** Makes the topics, and fills the one that is read unless an earlier run on the same data has. */
async function load({ stack, say }: SuiteOptions, source: Source): Promise<void> {
  const { role, topicPrefix, records } = source;
  const config = await loadConfig({
    file: stack.configFile,
    overrides: { kafka: { topicPrefix } },
  });
  const { faults } = await migrate(config, { clock: systemClock });
  if (faults.length > 0) throw new Error(faults.map(({ text }) => text).join('; '));
  // A topic made a moment ago may have no leader yet.
  const found = await retryOutage(() => recordsIn(config, topicNames(config)[role]), {
    retry: config.retry,
    signal: AbortSignal.timeout(30_000),
    logger: createLogger({ level: 'silent', format: 'json' }),
    what: 'count of the records that are there',
  });
  if (found === records) {
    say(`${topicNames(config)[role]} has its ${records} records already`);
    return;
  }
  if (found > 0) throw new Error(`${topicNames(config)[role]} has ${found} records, not ${records}`);
  const bar = progressBar(`records of ${role} produced`, records);
  const options = { records, seed: SEED, until: Math.floor(Date.now() / 86_400_000) * 86_400_000 };
  const made: Iterable<WorldValue> = role === 'feedback' ? feedbackLoad(options) : profileLoad(options);
  await produce(config, made, (sent) => bar.update(sent));
  bar.finish();
}

async function recordsIn(config: Config, topic: string): Promise<number> {
  const admin = createAdmin(config);
  try {
    const { partitions = 0 } = (await admin.describeTopics([topic])).get(topic) ?? {};
    const marks = await admin.watermarks(
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
    );
    return marks.reduce((sum, { low, high }) => sum + high - low, 0);
  } finally {
    admin.close();
  }
}
