/** The audit can fail: each guarantee is broken on purpose, in the source or in the tables, and the audit must see it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { WholeLedger } from '../helpers/whole-ledger.ts';
import { Arena } from './arena.ts';
import type { Fault } from './fault.ts';
import { gone } from './members.ts';
import { type Outcome, runTrial, type TrialOptions } from './trial.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

const SABOTAGE = fileURLToPath(new URL('sabotage.mjs', import.meta.url));

interface Edit {
  /** Of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

let dataDir: string;
let arena: Arena;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'chaos-oracle-'));
  arena = await Arena.open(dataDir);
});
afterAll(async () => {
  await arena[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
});

/** Killed there, and started again with a burst to read: by a process with other limits when they are given. */
function killAt(spec: string, { limits }: { limits?: object } = {}): Fault {
  return {
    name: `kill at ${spec}`,
    async strike(trial) {
      await trial.members.killAll();
      await trial.load.burst(400);
      const victim = trial.members.start({ faults: `${spec}=SIGKILL` });
      await gone(victim, `killed at ${spec}`);
      if (limits !== undefined) {
        const configFile = await trial.ledger.configured('other-limits', {
          ...trial.arena.proxied,
          pipelines: { archive: limits },
        });
        const next = trial.members.start({ configFile });
        await next.until(
          'a batch',
          async () => (await next.metric('ledger_batches_total', { pipeline: 'archive' })) > 0,
        );
        await next.stop();
      }
      await trial.members.one();
      return { bit: victim.logged('fault point'), how: spec };
    },
  };
}

async function outcomeOf(
  faults: readonly Fault[],
  { edits = [], onPrepared }: { edits?: readonly Edit[] } & Pick<TrialOptions, 'onPrepared'> = {},
): Promise<Outcome> {
  const env =
    edits.length === 0 ? {} : { NODE_OPTIONS: `--import=${SABOTAGE}`, CHAOS_SABOTAGE: JSON.stringify(edits) };
  const { outcome, trial } = await runTrial({
    arena,
    plan: { run: 0, seed: 20_261_126, mode: 'cooperative', faults },
    say: () => {},
    env,
    ...(onPrepared === undefined ? {} : { onPrepared }),
  });
  await trial.ledger[Symbol.asyncDispose]();
  expect(outcome.faults.map(({ bit }) => bit)).toEqual(faults.map(() => true));
  return outcome;
}

const textsOf = ({ findings, failure }: Outcome) => [
  ...findings.map(({ text }) => text),
  ...(failure ? [failure] : []),
];

/** Rows that add up instead of a set of identities: what most sinks keep. */
async function countInsteadOfCollecting({ harness, config }: WholeLedger): Promise<void> {
  const { database } = config.clickhouse;
  const statement = async (name: string) => {
    const [row] = await harness.rows<{ create_table_query: string }>(
      'SELECT create_table_query FROM system.tables WHERE database = {database:String} AND name = {name:String}',
      { database, name },
    );
    return row?.create_table_query ?? '';
  };
  const rows = await statement('message_events');
  const view = await statement('first_message_events');
  expect(rows).toContain('ReplacingMergeTree(precedence)');
  expect(view).toContain(' FINAL');
  await harness.client.command({ query: 'DROP TABLE message_events SYNC' });
  await harness.client.command({ query: rows.replace('ReplacingMergeTree(precedence)', 'MergeTree') });
  await harness.client.command({
    query: view.replace('CREATE VIEW', 'CREATE OR REPLACE VIEW').replaceAll(' FINAL', ''),
  });
}

describe('the audit', () => {
  test('finds nothing where nothing was broken', async () => {
    const outcome = await outcomeOf([
      killAt('tracking/before-progress:2'),
      killAt('archive/before-head:2', { limits: { maxBatchRecords: 5 } }),
    ]);
    expect(textsOf(outcome)).toEqual([]);
    expect(outcome.records).toBeGreaterThan(1_000);
  });

  test('sees a sum instead of a set', async () => {
    const outcome = await outcomeOf([killAt('tracking/before-progress:2')], {
      onPrepared: countInsteadOfCollecting,
    });
    expect(textsOf(outcome)).toContainEqual(expect.stringMatching(/^messages: .*"events":/));
    expect(textsOf(outcome)).toContainEqual(expect.stringMatching(/^campaign_stats: /));
  });

  test('sees a segment that was overwritten', async () => {
    const outcome = await outcomeOf([killAt('archive/before-head:2')], {
      edits: [
        {
          file: 'pipelines/archive/segment-store.ts',
          find: "conditions: { ifNoneMatch: '*' },",
          replace: '',
        },
      ],
    });
    expect(textsOf(outcome)).toContainEqual(expect.stringMatching(/^segments: .* was created twice/));
  });

  test('sees an intent that was skipped', async () => {
    const outcome = await outcomeOf([killAt('archive/before-head:2', { limits: { maxBatchRecords: 5 } })], {
      edits: [
        {
          file: 'pipelines/archive/archive-sink.ts',
          find: '{ begin, next: first, intent });',
          replace: '{ begin, next: first, intent: null });',
        },
      ],
    });
    expect(textsOf(outcome)).toContainEqual(expect.stringMatching(/^archive of .*: twice /));
  });

  test('sees progress that was recorded before the rows', async () => {
    const file = 'pipelines/tracking/pipeline.ts';
    const outcome = await outcomeOf([killAt('tracking/before-insert:2')], {
      edits: [
        { file, find: 'progress.record(),\n', replace: '\n' },
        { file, find: 'chain: [', replace: 'chain: [progress.record(), ' },
      ],
    });
    expect(textsOf(outcome)).toContainEqual(expect.stringMatching(/^events: missing /));
  });
});
