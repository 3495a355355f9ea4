/** Two stacks of this file's own: one as a person runs it, from the command line, and one inside this process. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../../config/load.ts';
import { StackIsRunning } from '../../../../deploy/local/stack/stack-lock.ts';
import { PART_NAMES } from '../../../../deploy/local/stack/stack-state.ts';
import { type StackStatus, stackStatus } from '../../../../deploy/local/stack/stack-status.ts';
import { type RunningStack, startStack } from '../../../../deploy/local/stack/start-stack.ts';
import {
  identityOf,
  isRunning,
  type ProcessIdentity,
} from '../../../../deploy/local/supervisor/process-identity.ts';
import { type Marks, Witness } from '../../../helpers/witness.ts';

const MAIN = join(import.meta.dirname, '../../../../pipelines/main.ts');

function ledger(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], (error, stdout, stderr) => {
      resolve({
        code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1,
        stdout,
        stderr,
      });
    });
  });
}

async function eventually(claim: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await claim())) {
    if (Date.now() > deadline) throw new Error(`it never came true: ${claim}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const everywhere = (marks: readonly string[]): Marks => ({
  kafka: marks,
  clickhouse: marks,
  blob: marks,
  registry: marks,
});

let folder: string;
let commandDir: string;
let embeddedDir: string;
let up: Awaited<ReturnType<typeof ledger>>;
let embedded: RunningStack;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'campaign-ledger-stacks-'));
  commandDir = join(folder, 'command');
  embeddedDir = join(folder, 'embedded');
  [up, embedded] = await Promise.all([
    ledger('stack', 'up', '--data', commandDir, '--detach'),
    startStack({ dataDir: embeddedDir, kafkaProperties: { 'message.max.bytes': 2_000_000 } }),
  ]);
});

afterAll(async () => {
  await Promise.all([embedded?.stop(), ledger('stack', 'down', '--data', commandDir)]);
  await rm(folder, { recursive: true, force: true });
});

function identitiesOf({ pid, parts }: StackStatus): ProcessIdentity[] {
  return [pid, ...parts.map((part) => part.pid)].map((one) => {
    const identity = one === null ? null : identityOf(one);
    if (identity === null) throw new Error(`${one} does not run`);
    return identity;
  });
}

describe('stack up --detach', () => {
  it('comes up, says how long each part took, and where the configuration is', async () => {
    expect(up).toMatchObject({ code: 0, stdout: `${join(commandDir, 'config.yaml')}\n` });
    for (const name of PART_NAMES)
      expect(up.stderr).toMatch(new RegExp(`^${name} +ready in +[\\d.]+ s`, 'm'));
    expect(up.stderr).not.toContain('AccountKey');
  });

  it('writes a configuration that is valid and private', async () => {
    const file = join(commandDir, 'config.yaml');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const config = await loadConfig({ file, env: {} });
    expect(config.kafka.topics.replicationFactor).toBe(1);
    expect(config.clickhouse.database).toBe('ledger');
  });

  it('each part has one log file', async () => {
    for (const name of PART_NAMES)
      expect((await stat(join(commandDir, 'logs', `${name}.log`))).size).toBeGreaterThan(0);
    // The broker's own words, not only what the virtual machine says.
    expect(await readFile(join(commandDir, 'logs', 'kafka.log'), 'utf8')).toContain('Kafka Server started');
  });

  it('a second up on the same directory names the process and the addresses', async () => {
    const { pid, parts } = await stackStatus(commandDir);
    for (const more of [[], ['--detach']]) {
      const second = await ledger('stack', 'up', '--data', commandDir, ...more);
      expect(second.code).toBe(1);
      expect(second.stderr).toContain(`already, in process ${pid}`);
      for (const { address } of parts) expect(second.stderr).toContain(address);
    }
  });

  it('status asks every part', async () => {
    const { code, stdout } = await ledger('stack', 'status', '--data', commandDir, '--json');
    const status = JSON.parse(stdout) as StackStatus;
    expect(code).toBe(0);
    expect(status).toMatchObject({ isRunning: true, configFile: join(commandDir, 'config.yaml') });
    expect(status.parts.map(({ name, isReady }) => [name, isReady])).toEqual(
      PART_NAMES.map((name) => [name, true]),
    );
  });

  it('runs beside another one', async () => {
    const { parts } = await stackStatus(commandDir);
    const addresses = Object.values(embedded.addresses);
    for (const { address } of parts) expect(addresses.filter((one) => one.includes(address))).toEqual([]);
  });

  it('a part that dies is started again', async () => {
    const before = (await stackStatus(commandDir)).parts.find(({ name }) => name === 'registry');
    process.kill(before?.pid ?? 0, 'SIGKILL');
    await eventually(async () => {
      const now = (await stackStatus(commandDir)).parts.find(({ name }) => name === 'registry');
      return now?.isReady === true && now.pid !== before?.pid;
    });
  });

  it('nothing outlives a supervisor that is killed; data and addresses are there at the next up', async () => {
    const witness = await Witness.of(join(commandDir, 'config.yaml'));
    await witness.prepare();
    const before = await stackStatus(commandDir);
    const processes = identitiesOf(before);
    await witness.leave('before-kill');
    process.kill(before.pid ?? 0, 'SIGKILL');
    await eventually(() => !processes.some(isRunning));
    expect(await stackStatus(commandDir)).toMatchObject({ isRunning: false });
    expect(await ledger('stack', 'status', '--data', commandDir)).toMatchObject({ code: 1 });

    expect(await ledger('stack', 'up', '--data', commandDir, '--detach')).toMatchObject({ code: 0 });
    const after = await stackStatus(commandDir);
    expect(after.parts.map(({ address }) => address)).toEqual(before.parts.map(({ address }) => address));
    expect(await witness.find(['before-kill'])).toEqual(everywhere(['before-kill']));
  });

  it('down ends everything, and says so when there is nothing to end', async () => {
    const processes = identitiesOf(await stackStatus(commandDir));
    expect(await ledger('stack', 'down', '--data', commandDir)).toMatchObject({ code: 0 });
    expect(processes.filter(isRunning)).toEqual([]);
    const again = await ledger('stack', 'down', '--data', commandDir);
    expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining('no stack is running') });
  });
});

describe('startStack', () => {
  const marks: string[] = [];

  it('is refused for a directory that has a stack, and `stack down` leaves it alone', async () => {
    await expect(startStack({ dataDir: embeddedDir })).rejects.toThrow(StackIsRunning);
    const down = await ledger('stack', 'down', '--data', embeddedDir);
    expect(down).toMatchObject({ code: 1, stderr: expect.stringContaining(`process ${process.pid}`) });
  });

  it('what was acknowledged survives kill -9 of every part at that moment', async () => {
    const witness = await Witness.of(embedded.configFile);
    await witness.prepare();
    for (const round of [1, 2]) {
      for (const n of [1, 2, 3]) {
        await witness.leave(`round-${round}-${n}`);
        marks.push(`round-${round}-${n}`);
      }
      await Promise.all(PART_NAMES.map((name) => embedded.part(name).kill('SIGKILL')));
      expect(embedded.pids).toEqual({});
      await Promise.all(PART_NAMES.map((name) => embedded.part(name).start()));
      expect(await witness.find(marks)).toEqual(everywhere(marks));
    }
  });

  it('and an orderly stop and start', async () => {
    const { addresses } = embedded;
    await embedded.stop();
    embedded = await startStack({ dataDir: embeddedDir });
    expect(embedded.addresses).toEqual(addresses);
    const witness = await Witness.of(embedded.configFile);
    expect(await witness.find(marks)).toEqual(everywhere(marks));
  });
});
