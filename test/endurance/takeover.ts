/** A member is killed, at default settings: how long until another goes on with all of its partitions? */
import type { PipelineName } from '../../config/schema.ts';
import { median } from '../bench/rate.ts';
import { EventStream } from '../helpers/event-stream.ts';
import type { PipelineChild } from '../helpers/pipeline-child.ts';
import { eventually } from '../helpers/runner-harness.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';
import type { Scenario, ScenarioOptions } from './finding.ts';

const PROTOCOLS = ['classic', 'consumer'] as const;
const PIPELINE: PipelineName = 'tracking';
const ROUNDS = 5;
const MOST_S = 15;
const GIVE_UP_MS = 120_000;

export const takeover: Scenario = async (options) => {
  for (const protocol of PROTOCOLS) await oneProtocol(protocol, options);
};

async function oneProtocol(
  groupProtocol: (typeof PROTOCOLS)[number],
  { stack, say, found }: ScenarioOptions,
): Promise<void> {
  say(`group protocol ${groupProtocol}`);
  await using ledger = await WholeLedger.create(stack.configFile, {
    sizes: 'default',
    overrides: { kafka: { groupProtocol } },
  });
  const stream = new EventStream(ledger.harness, { roles: ['delivery', 'feedback'], perSecond: 200 });
  stream.start();
  let members = [ledger.start([PIPELINE]), ledger.start([PIPELINE])];
  const seconds: number[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const member of members)
      await member.until(
        'a share',
        async () => (await partitionsOf(member)) > 0 && (await isReady(member)),
        GIVE_UP_MS,
      );
    const [victim, survivor] = members;
    if (victim === undefined || survivor === undefined) throw new Error('two members are needed');
    const all = (await partitionsOf(victim)) + (await partitionsOf(survivor));
    const killedAt = performance.now();
    await victim.kill();
    const ends = await ledger.ends(PIPELINE);
    await survivor.until('all partitions', async () => (await partitionsOf(survivor)) === all, GIVE_UP_MS);
    await eventually(
      async () => {
        const committed = await ledger.committed(PIPELINE);
        return [...ends].every(([partition, end]) => (committed.get(partition) ?? 0) >= end);
      },
      { what: 'what had been sent before, stored', withinMs: GIVE_UP_MS, everyMs: 100 },
    );
    seconds.push((performance.now() - killedAt) / 1_000);
    say(`   ${seconds.at(-1)?.toFixed(1)} s`);
    members = [survivor, ledger.start([PIPELINE])];
  }
  await stream.stop();
  const what = `${groupProtocol}, from kill -9 to everything stored by another`;
  found({ what: `${what}, median of ${ROUNDS}`, value: median(seconds) ?? 0, unit: 's', bound: null });
  found({ what: `${what}, worst`, value: Math.max(...seconds), unit: 's', bound: { atMost: MOST_S } });
}

const partitionsOf = (member: PipelineChild) => member.metric('ledger_assigned_partitions');

const isReady = async (member: PipelineChild) => (await member.get('/readyz')).status === 200;
