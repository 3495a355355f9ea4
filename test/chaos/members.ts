/** The pipelines' processes of one trial: started with faults in them, frozen, killed, replaced. */
import { readFileSync } from 'node:fs';
import type { PipelineName } from '../../config/schema.ts';
import { FAULT_POINTS_VARIABLE } from '../../pipelines/common/fault-points.ts';
import type { PipelineChild } from '../helpers/pipeline-child.ts';
import { eventually } from '../helpers/runner-harness.ts';
import type { WholeLedger } from '../helpers/whole-ledger.ts';

export const PIPELINES: readonly PipelineName[] = ['tracking', 'archive', 'profiles'];

export interface MemberOptions {
  /** For `LEDGER_FAULT_POINTS`. */
  readonly faults?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Another configuration than the trial's. */
  readonly configFile?: string;
}

export class Members {
  readonly #ledger: WholeLedger;
  readonly #configFile: string;
  /** For every process: modules that a test of the oracle loads into it. */
  readonly #env: Readonly<Record<string, string>>;
  readonly #all: PipelineChild[] = [];

  constructor(
    ledger: WholeLedger,
    { configFile, env = {} }: { configFile: string; env?: Readonly<Record<string, string>> },
  ) {
    this.#ledger = ledger;
    this.#configFile = configFile;
    this.#env = env;
  }

  get running(): readonly PipelineChild[] {
    return this.#all.filter(({ end }) => end === null);
  }

  start({ faults = '', env = {}, configFile = this.#configFile }: MemberOptions = {}): PipelineChild {
    const child = this.#ledger.start(PIPELINES, {
      configFile,
      env: { ...this.#env, ...env, [FAULT_POINTS_VARIABLE]: faults },
    });
    this.#all.push(child);
    return child;
  }

  /** One that is there and has partitions; a new one where there is none. */
  async one(): Promise<PipelineChild> {
    const child = this.running.find(({ pid }) => !isFrozen(pid)) ?? this.start();
    // Of three members one may be left without a partition of the smallest topic.
    await (this.running.length > 2 ? hasSomePartition(child) : hasPartitions(child));
    return child;
  }

  /** With kill -9, frozen ones as well. */
  async killAll(): Promise<void> {
    await Promise.all(this.running.map((child) => child.kill()));
  }

  async killOthers(than: PipelineChild): Promise<void> {
    await Promise.all(this.running.filter((child) => child !== than).map((child) => child.kill()));
  }

  /** What each of them printed last, for whoever has to find out. */
  get tails(): string {
    return this.#all.map(({ tail }) => tail).join('\n');
  }
}

/** The group has given it something to do, whatever its share is. */
export async function hasSomePartition(child: PipelineChild): Promise<void> {
  await child.until('some partition', async () => (await child.metric('ledger_assigned_partitions')) > 0);
}

export async function hasShareOf(child: PipelineChild, pipeline: PipelineName): Promise<void> {
  await child.until(
    `a share of ${pipeline}`,
    async () => (await child.metric('ledger_assigned_partitions', { pipeline })) > 0,
  );
}

/** Its share of every pipeline. */
export async function hasPartitions(child: PipelineChild): Promise<void> {
  await child.until('a share of every pipeline', async () => {
    const samples = await child.metrics();
    const shares = samples.filter(({ name, value }) => name === 'ledger_assigned_partitions' && value > 0);
    return new Set(shares.map(({ labels }) => labels.pipeline)).size === PIPELINES.length;
  });
}

/** It has made something durable since it was started. */
export async function storesSomething(child: PipelineChild, pipeline?: PipelineName): Promise<void> {
  const labels = pipeline === undefined ? {} : { pipeline };
  await child.until('something stored', async () => (await child.metric('ledger_records_total', labels)) > 0);
}

/** Batches of a pipeline that it has made durable. */
export function batchesOf(child: PipelineChild, pipeline: PipelineName): Promise<number> {
  return child.metric('ledger_batches_total', { pipeline });
}

/** By the kernel's word. */
export function isFrozen(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  } catch {
    return false;
  }
}

export async function frozen(child: PipelineChild): Promise<void> {
  await child.until('frozen', () => isFrozen(child.pid));
}

export async function gone(child: PipelineChild, what: string): Promise<void> {
  await eventually(() => child.end !== null, { what, withinMs: 90_000, everyMs: 20 });
}
