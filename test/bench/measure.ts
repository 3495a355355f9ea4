/** Measures one subject once, from outside: the broker says when it began and what it has done, the kernel what it cost. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupWatch } from './group-watch.ts';
import { cpuSeconds, peakRssMb } from './process-meter.ts';
import { meanRate, type Point } from './rate.ts';
import type { RunningSubject, Subject } from './subject.ts';
import type { Trial } from './trial.ts';

export interface Measurement {
  readonly recordsPerSecond: number;
  /** From the assignment to the last commit, flush intervals included. */
  readonly seconds: number;
  /** Microseconds of CPU time a record: of the subject's own process, and of ClickHouse with its merges. */
  readonly ownCpu: number;
  readonly clickHouseCpu: number;
  /** Null where there is no process of its own. */
  readonly peakRssMb: number | null;
  /** What an independent count found; null where nothing is kept. */
  readonly counted: number | null;
}

export interface MeasureContext {
  readonly watch: GroupWatch;
  readonly clickHousePid: number;
}

const POLL_MS = 50;
const GIVE_UP_MS = 300_000;
/** Of the records. From here on a subject may be waiting for its flush interval. */
const MOST = 0.8;
/** A process that has done most and commits nothing for so long is told to write what it holds. */
const REST_SECONDS = 5;
/** Merges that the inserts have brought about are part of the cost; some go on for long. */
const MERGES_MS = 30_000;
const QUIET_MS = 1_000;

export async function measure(subject: Subject, trial: Trial, context: MeasureContext): Promise<Measurement> {
  if (subject.writesToClickHouse) await trial.createTables();
  const running = await subject.start(trial);
  try {
    return await new Measuring(subject, { trial, running, context }).run();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${subject.name}: ${reason}\n${tailOf(trial.logFile)}`, { cause: error });
  } finally {
    await running.stop();
  }
}

class Measuring {
  readonly #subject: Subject;
  readonly #trial: Trial;
  readonly #running: RunningSubject;
  readonly #context: MeasureContext;
  readonly #group: string;
  readonly #giveUpAt = performance.now() + GIVE_UP_MS;
  /** Of the subject's process, as last seen while it was there. */
  #ownCpuSeconds = 0;
  #peakRssMb: number | null = null;
  #endedWith: string | null = null;

  constructor(
    subject: Subject,
    { trial, running, context }: { trial: Trial; running: RunningSubject; context: MeasureContext },
  ) {
    this.#subject = subject;
    this.#trial = trial;
    this.#running = running;
    this.#context = context;
    this.#group = subject.group(trial);
    void running.ended.then((how) => {
      this.#endedWith = how;
    });
  }

  async run(): Promise<Measurement> {
    const { watch, clickHousePid } = this.#context;
    const { events } = this.#trial.options;
    while (!(await watch.isAssigned(this.#group))) await this.#pause('no partition was assigned');
    const begun = performance.now();
    const ownBefore = this.#ownCpuSeconds;
    const clickHouseBefore = cpuSeconds(clickHousePid);
    const points = await this.#untilCommitted(begun);
    if (this.#subject.writesToClickHouse) await this.#untilMerged();
    this.#look();
    const perRecord = (seconds: number) => (seconds / events) * 1e6;
    return {
      recordsPerSecond: meanRate(points, MOST * events),
      seconds: points.at(-1)?.seconds ?? 0,
      ownCpu: perRecord(this.#ownCpuSeconds - ownBefore),
      clickHouseCpu: perRecord(cpuSeconds(clickHousePid) - clickHouseBefore),
      peakRssMb: this.#peakRssMb,
      counted: await this.#subject.count(this.#trial),
    };
  }

  async #untilCommitted(begun: number): Promise<readonly Point[]> {
    const { events } = this.#trial.options;
    const points: Point[] = [];
    let done = 0;
    while (done < events) {
      await this.#pause(`${done} of ${events} records were committed`);
      const committed = await this.#context.watch.committed(this.#group);
      const seconds = (performance.now() - begun) / 1000;
      if (committed > done) points.push({ seconds, records: committed });
      done = committed;
      const restedFor = seconds - (points.at(-1)?.seconds ?? 0);
      if (done >= MOST * events && done < events && restedFor > REST_SECONDS) await this.#endInOrder();
    }
    return points;
  }

  async #endInOrder(): Promise<void> {
    if (this.#running.pid === null || this.#endedWith !== null) return;
    this.#look();
    await this.#running.stop();
  }

  async #untilMerged(): Promise<void> {
    const { database } = this.#trial.config.clickhouse;
    const giveUpAt = performance.now() + MERGES_MS;
    let quietSince = performance.now();
    while (performance.now() - quietSince < QUIET_MS && performance.now() < giveUpAt) {
      const merges = await this.#trial.number(
        'SELECT count() FROM system.merges WHERE database = {database:String}',
        { database },
      );
      if (merges > 0) quietSince = performance.now();
      await sleep(POLL_MS * 4);
    }
  }

  /** @param standing what to say when there is no use in going on */
  async #pause(standing: string): Promise<void> {
    this.#look();
    await sleep(POLL_MS);
    const fault =
      performance.now() > this.#giveUpAt
        ? 'took too long'
        : this.#endedWith !== null && this.#endedWith !== 'exit code 0'
          ? `ended with ${this.#endedWith}`
          : null;
    if (fault !== null) throw new Error(`${fault}: ${standing}`);
  }

  #look(): void {
    const { pid } = this.#running;
    if (pid === null || this.#endedWith !== null) return;
    try {
      this.#ownCpuSeconds = cpuSeconds(pid);
      this.#peakRssMb = peakRssMb(pid) ?? this.#peakRssMb;
    } catch {
      // It has ended a moment ago: what was seen before stands.
    }
  }
}

function tailOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
  } catch {
    return '';
  }
}
