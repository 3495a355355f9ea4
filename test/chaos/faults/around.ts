/** Faults around the pipelines: the clock, the limits, the disks, producers that abort. */

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BlobServiceClient } from '@azure/storage-blob';
import { KEPT_FREE_BYTES } from '../../../deploy/local/clickhouse/server-config.ts';
import { delivery } from '../../helpers/ledger-values.ts';
import { Producer } from '../../helpers/runner-harness.ts';
import { type Fault, Unexpected } from '../fault.ts';
import { batchesOf, gone, hasPartitions, storesSomething } from '../members.ts';
import type { Trial } from '../trial.ts';
import { isWrite } from './answers.ts';

const SHIFTED_CLOCK = fileURLToPath(new URL('../shifted-clock.mjs', import.meta.url));
const DAY_MS = 86_400_000;

function clockEnv(shiftMs: number): Record<string, string> {
  return { NODE_OPTIONS: `--import=${SHIFTED_CLOCK}`, CHAOS_CLOCK_SHIFT_MS: String(Math.round(shiftMs)) };
}

/** Long enough to reach the last second before it is over. */
const BEFORE_MIDNIGHT_MS = 1_500;

const midnight: Fault = {
  name: 'crash before midnight, replay after it',
  async strike(trial) {
    await trial.members.killAll();
    const victim = trial.members.start({
      env: { ...clockEnv(0), CHAOS_CLOCK_MIDNIGHT: String(BEFORE_MIDNIGHT_MS) },
    });
    await hasPartitions(victim);
    await storesSomething(victim);
    const shift = () => Number(/clock jumped by (\d+) ms/.exec(victim.text)?.[1] ?? Number.NaN);
    victim.signal('SIGUSR2');
    await victim.until('the clock set', () => !Number.isNaN(shift()));
    const nextDay = Math.ceil(Date.now() / DAY_MS) * DAY_MS;
    const shifted = () => Date.now() + shift();
    await sleep(Math.max(0, nextDay - 1_000 - shifted()));
    const isWriting = await writesWithin(trial, Math.max(1, nextDay - 50 - shifted()));
    const died = shifted();
    await victim.kill();
    await sleep(Math.max(0, nextDay - shifted()));
    const next = trial.members.start({ env: clockEnv(shift()) });
    await storesSomething(next);
    return {
      bit: died >= nextDay - 1_000 && died < nextDay,
      how: `killed at ${new Date(died).toISOString().slice(11, 23)}, a write of the archive under way: ${isWriting}`,
    };
  },
};

/** Resolves when the archive has a write under way, or the time is over. */
function writesWithin(trial: Trial, ms: number): Promise<boolean> {
  const proxy = trial.arena.proxies.blob;
  return new Promise<boolean>((resolve) => {
    const end = (isWriting: boolean) => {
      clearTimeout(timer);
      proxy.onUnderWay = () => {};
      resolve(isWriting);
    };
    const timer = setTimeout(() => end(false), ms);
    proxy.onUnderWay = ({ request }) => {
      if (isWrite('blob', request)) end(true);
    };
  });
}

const clockJumps: Fault = {
  name: 'the clock jumps',
  async strike(trial) {
    await trial.members.killAll();
    const child = trial.members.start({ env: clockEnv(0) });
    await storesSomething(child);
    for (let jump = 0; jump < 4; jump += 1) {
      child.signal('SIGUSR2');
      await sleep(trial.random.between(100, 700));
    }
    const before = await child.metric('ledger_records_total');
    await child.until('it goes on', async () => (await child.metric('ledger_records_total')) > before);
    const jumps = child.text.split('clock jumped').length - 1;
    return { bit: jumps === 4, how: `${jumps} jumps, by hours and days, forwards and back` };
  },
};

const limitsChanged: Fault = {
  name: 'limits changed between a crash and its replay',
  weight: 2,
  async strike(trial) {
    const small = trial.random.between(3, 9);
    let larger: number[] = [];
    // Of a quiet partition's batch only a few offsets are open: until there is one that the new limits would cut.
    for (let kills = 0; kills < 4 && larger.length === 0; kills += 1) {
      await trial.members.killAll();
      await trial.load.burst(600);
      const point = trial.random.pick(['after-intent', 'between-segments', 'before-head']);
      const victim = trial.members.start({
        faults: `archive/${point}:${trial.random.between(1, 3)}=SIGKILL`,
      });
      await gone(victim, `killed at ${point}`);
      larger = (await openIntents(trial)).filter((size) => size > small);
    }
    const limits = { maxBatchRecords: small, maxBatchBytes: 65_536, flushIntervalMs: 50 };
    const configFile = await trial.ledger.configured(`small-${small}`, {
      ...trial.arena.proxied,
      pipelines: { tracking: limits, archive: limits, profiles: limits },
    });
    const next = trial.members.start({ configFile });
    await hasPartitions(next);
    await next.until('batches of the archive', async () => (await batchesOf(next, 'archive')) > 5);
    await next.stop();
    await trial.members.one();
    return {
      bit: larger.length > 0,
      how: `${larger.length} unfinished batches of more than ${small} offsets, the new limit`,
    };
  },
};

/** Sizes in offsets of the archive's batches that were begun and not ended, by the head blobs. */
async function openIntents(trial: Trial): Promise<number[]> {
  const { connectionString, container, prefix } = trial.ledger.config.blob;
  const client = BlobServiceClient.fromConnectionString(connectionString ?? '').getContainerClient(container);
  const sizes: number[] = [];
  for await (const { name } of client.listBlobsFlat({ prefix: `${prefix}heads/` })) {
    const head = JSON.parse((await client.getBlobClient(name).downloadToBuffer()).toString()) as {
      intent: { first: number; last: number } | null;
    };
    if (head.intent !== null) sizes.push(head.intent.last - head.intent.first + 1);
  }
  return sizes;
}

const abortedTransactions: Fault = {
  name: 'aborted transactions',
  weight: 2,
  async strike(trial) {
    const { ledger } = trial;
    await trial.members.one();
    const connect = () => Producer.connect(ledger.config, ledger.topic('delivery'), { transactional: true });
    const [kept, dropped] = await Promise.all([connect(), connect()]);
    let aborted = 0;
    for (let round = 0; round < 4; round += 1) {
      const partition = trial.random.between(0, 2);
      const values = (name: string) =>
        Array.from({ length: trial.random.between(1, 40) }, (_, index) => {
          const id = `${name}-${trial.random.hex(12)}-${index}`;
          return ledger.harness.encode('delivery', delivery({ event_id: id, message_id: id, user_id: 'u1' }));
        });
      const gone = values('aborted');
      aborted += gone.length;
      await Promise.all([kept.commit(partition, values('kept')), dropped.abort(partition, gone)]);
      if (trial.random.chance(0.3)) await (await trial.members.one()).kill();
    }
    await Promise.all([kept.close(), dropped.close()]);
    await trial.members.one();
    const [row] = await ledger.rows<{ seen: number }>(
      "SELECT count() AS seen FROM {bi}.events WHERE event_id LIKE 'aborted-%'",
    );
    if (row?.seen !== 0) throw new Unexpected(`${row?.seen} aborted events are in ClickHouse`);
    return { bit: aborted > 0, how: `${aborted} records aborted among others` };
  },
};

/**
 * To the last byte under Azurite. ClickHouse calls its disk full while something is left (`keep_free_space_bytes`), and that is how
 * it must be run: docs/decisions/local-clickhouse.md.
 */
const LEFT_BYTES = { clickhouse: KEPT_FREE_BYTES / 2, blob: 0 } as const;

function diskFull(service: 'clickhouse' | 'blob'): Fault {
  return {
    name: `the disk under ${service} is full`,
    weight: 2,
    impossible: (trial) =>
      trial.arena.disks[service] === null ? 'no small file system can be mounted here' : null,
    async strike(trial) {
      const disk = trial.arena.disks[service];
      if (disk === null) throw new Error('there is no such disk');
      const child = await trial.members.one();
      await storesSomething(child);
      const isAway = async () => (await child.metric('ledger_outage', { service })) > 0;
      await disk.fill({ leaveBytes: LEFT_BYTES[service] });
      try {
        await trial.load.burst(300);
        await child.until(`an outage of ${service}`, isAway);
        await sleep(trial.random.between(500, 2_500));
      } finally {
        await disk.empty();
      }
      // A store that cannot keep what it promised to keep may end: then somebody starts it again.
      if (trial.arena.part(service).state !== 'ready') await trial.arena.part(service).start();
      await child.until('its end', async () => !(await isAway()));
      return { bit: true, how: 'the pipelines waited until there was room' };
    },
  };
}

export const AROUND: readonly Fault[] = [
  midnight,
  clockJumps,
  limitsChanged,
  abortedTransactions,
  diskFull('clickhouse'),
  diskFull('blob'),
];
