/** What is measured, as the measuring sees it: something that joins a group, reads the topic, and commits what is durable. */
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { launch, signalChild } from '../../deploy/local/supervisor/launch.ts';
import { consumerGroup } from '../../pipelines/common/kafka/client-settings.ts';
import type { Trial } from './trial.ts';

export interface RunningSubject {
  /** Null where the work is done inside ClickHouse. */
  readonly pid: number | null;
  /** Resolves, never rejects, with how the process ended. */
  readonly ended: Promise<string>;
  /** Asks it to write what it holds and to end; resolves when it has. */
  stop(): Promise<void>;
}

export interface Subject {
  readonly name: string;
  /** Inserts into ClickHouse: its CPU time counts, and it needs tables. */
  readonly writesToClickHouse: boolean;
  group(trial: Trial): string;
  start(trial: Trial): Promise<RunningSubject>;
  /** Counted where the records have gone to, by means that the subject has no part in. Null: nothing is kept. */
  count(trial: Trial): Promise<number | null>;
}

const PIPELINES_MAIN = fileURLToPath(new URL('../../pipelines/main.ts', import.meta.url));
const running = new Set<number>();

/** So that an interrupted run leaves nobody behind. */
export function killSubjects(): void {
  for (const pid of running) signalChild(pid, 'SIGKILL');
}

function startProcess(trial: Trial, args: readonly string[]): RunningSubject {
  const log = openSync(trial.logFile, 'a');
  const child = launch(
    { file: process.execPath, args, env: trial.env, endsWithStdin: true },
    { logDescriptor: log },
  );
  closeSync(log);
  const pid = child.pid ?? 0;
  running.add(pid);
  const ended = once(child, 'exit').then(([code, signal]) => {
    running.delete(pid);
    return signal === null ? `exit code ${code}` : String(signal);
  });
  return {
    pid,
    ended,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) signalChild(pid, 'SIGTERM');
      await ended;
    },
  };
}

export function pipelineSubject(
  name: string,
  { writesToClickHouse, count }: Pick<Subject, 'writesToClickHouse' | 'count'>,
): Subject {
  return {
    name,
    writesToClickHouse,
    group: ({ config }) => consumerGroup(config, name),
    start: async (trial) =>
      startProcess(trial, [PIPELINES_MAIN, 'run', name, '--config', trial.options.configFile]),
    count,
  };
}

/** A script of this folder that takes the configuration file and the number of events. */
export function scriptSubject(
  name: string,
  { script, writesToClickHouse, count }: Pick<Subject, 'writesToClickHouse' | 'count'> & { script: string },
): Subject {
  const file = fileURLToPath(new URL(script, import.meta.url));
  return {
    name,
    writesToClickHouse,
    group: ({ config }) => consumerGroup(config, name),
    start: async (trial) =>
      startProcess(trial, [file, trial.options.configFile, String(trial.options.events)]),
    count,
  };
}
