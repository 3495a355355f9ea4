/** Services that refuse, hang, answer with an error, cut the connection, or do what was asked and lose the answer. */
import type { IncomingMessage } from 'node:http';
import type { Fate } from '../../helpers/cutting-proxy.ts';
import { eventually } from '../../helpers/runner-harness.ts';
import { SERVICES, type Service } from '../arena.ts';
import type { Fault } from '../fault.ts';
import { storesSomething } from '../members.ts';
import type { Trial } from '../trial.ts';

const FATES = {
  refuses: 'refuse',
  hangs: 'hang',
  'answers 500': 500,
  'answers 503': 503,
  'answers 429': 429,
  'cuts the connection': 'cut-request',
  'loses the answer': 'lose',
} as const satisfies Record<string, Fate>;

export function isWrite(service: Service, { method, url = '' }: IncomingMessage): boolean {
  switch (service) {
    case 'clickhouse':
      return method === 'POST' && /[?&]query=INSERT/i.test(url);
    case 'blob':
      return method === 'PUT';
    case 'registry':
      return false;
  }
}

/** @param fates one for each of the next requests of the kind */
async function answer(
  trial: Trial,
  { service, fates, onlyWrites }: { service: Service; fates: readonly Fate[]; onlyWrites: boolean },
): Promise<number> {
  const proxy = trial.arena.proxies[service];
  const left = [...fates];
  proxy.fate = (_, request) => (onlyWrites && !isWrite(service, request) ? 'pass' : (left.shift() ?? 'pass'));
  // The registry is asked by processes that know no schema yet.
  const child = service === 'registry' ? trial.members.start() : await trial.members.one();
  try {
    await eventually(() => left.length === 0, {
      what: `${fates.length} requests to ${service} that fail`,
      withinMs: 60_000,
      everyMs: 20,
    });
  } finally {
    proxy.fate = () => 'pass';
  }
  const before = await child.metric('ledger_records_total');
  await child.until(
    'something stored afterwards',
    async () => (await child.metric('ledger_records_total')) > before,
  );
  return fates.length;
}

function misbehaves(service: Service, how: keyof typeof FATES): Fault {
  return {
    name: `${service} ${how}`,
    async strike(trial) {
      // Of the registry's answers half comes; its requests have no body to cut.
      const fate = service === 'registry' && FATES[how] === 'cut-request' ? 'cut-answer' : FATES[how];
      const count = fate === 'hang' ? trial.random.between(1, 2) : trial.random.between(2, 6);
      const onlyWrites = service !== 'registry' && trial.random.chance(0.7);
      const fates = Array.from({ length: count }, () => fate);
      if (service === 'registry') await trial.members.killAll();
      else await storesSomething(await trial.members.one());
      const before = trial.arena.proxies[service].lost;
      const failed = await answer(trial, { service, fates, onlyWrites });
      const lost = trial.arena.proxies[service].lost - before;
      const what = `${failed} ${onlyWrites ? 'writes' : 'requests'}`;
      // A lost answer is one to something that was done.
      return fate === 'lose'
        ? { bit: lost > 0, how: `${what}, ${lost} of them done` }
        : { bit: failed > 0, how: what };
    },
  };
}

function threeInARow(service: 'clickhouse' | 'blob'): Fault {
  return {
    name: `${service} fails one flush three times`,
    weight: 2,
    async strike(trial) {
      const child = await trial.members.one();
      await storesSomething(child);
      const retries = () => child.metric('ledger_retries_total', { service });
      const before = await retries();
      const any: readonly Fate[] = ['refuse', 'lose', 500, 503, 429, 'cut-request'];
      const fates = Array.from({ length: 3 }, () => any[trial.random.between(0, any.length - 1)] ?? 'lose');
      const pipeline = trial.random.pick(service === 'blob' ? ['archive'] : ['tracking', 'profiles']);
      let inARow = 0;
      const proxy = trial.arena.proxies[service];
      // One flush makes its requests one after another: while it fails, those of this pipeline are its attempts.
      proxy.fate = (_, request) => {
        if (!isWrite(service, request) || !isOf(pipeline, request) || inARow >= 3) return 'pass';
        inARow += 1;
        return fates[inARow - 1] ?? 'pass';
      };
      await eventually(() => inARow === 3, { what: 'three failures', withinMs: 60_000 });
      proxy.fate = () => 'pass';
      await child.until('three retries', async () => (await retries()) >= before + 3);
      const stored = await child.metric('ledger_batches_total', { pipeline });
      await child.until(
        'the flush in the end',
        async () => (await child.metric('ledger_batches_total', { pipeline })) > stored,
      );
      return { bit: true, how: `${pipeline}: ${fates.join(', ')}` };
    },
  };
}

/** By the table that the insert is for. */
function isOf(pipeline: string, { url = '' }: IncomingMessage): boolean {
  if (pipeline === 'archive') return true;
  const isProfiles = /INSERT(?:%20|\+)INTO(?:%20|\+)\S*profile/i.test(url);
  return (pipeline === 'profiles') === isProfiles;
}

export const ANSWERS: readonly Fault[] = [
  ...SERVICES.flatMap((service) =>
    (Object.keys(FATES) as (keyof typeof FATES)[]).map((how) => misbehaves(service, how)),
  ),
  threeInARow('clickhouse'),
  threeInARow('blob'),
];
