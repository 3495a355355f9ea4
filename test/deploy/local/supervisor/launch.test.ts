import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { launch, signalChild } from '../../../../deploy/local/supervisor/launch.ts';
import { Part } from '../../../../deploy/local/supervisor/part.ts';
import { identityOf, isRunning, ownIdentity } from '../../../../deploy/local/supervisor/process-identity.ts';
import { createLogger } from '../../../../pipelines/common/logger.ts';

const SOURCES = join(import.meta.dirname, '../../../../deploy/local/supervisor');
const logger = createLogger({ level: 'silent', format: 'json' });

let folder: string;
const started: number[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'supervisor-'));
});
afterEach(async () => {
  for (const pid of started.splice(0)) signalChild(pid, 'SIGKILL');
  await rm(folder, { recursive: true });
});

async function eventually(claim: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await claim())) {
    if (Date.now() > deadline) throw new Error(`it never came true: ${claim}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('no output');
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error('it said nothing');
}

/** A program that says its child's pid and takes no notice of its standard input. */
const DEAF_PARENT = `
  import { spawn } from 'node:child_process';
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  console.log(child.pid);
  setInterval(() => {}, 1000);
`;

describe('a launched child', () => {
  it('is gone when its parent is killed, with whatever way of the two', async () => {
    const parent = spawn(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { launch } from ${JSON.stringify(join(SOURCES, 'launch.ts'))};
         const command = { file: 'sleep', args: ['1000'], endsWithStdin: false };
         console.log(launch(command, { logDescriptor: 2 }).pid);
         setInterval(() => {}, 1000);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const pid = Number(await firstLine(parent));
    started.push(pid);
    const identity = identityOf(pid);
    expect(identity).not.toBeNull();
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await eventually(() => identity !== null && !isRunning(identity));
  });

  it('is signalled alone, and killed with all that it has started', async () => {
    const command = {
      file: process.execPath,
      args: ['--input-type=module', '--eval', DEAF_PARENT],
      endsWithStdin: false,
    };
    const log = await import('node:fs').then(({ openSync }) => openSync(join(folder, 'log'), 'a'));
    const child = launch(command, { logDescriptor: log });
    started.push(child.pid ?? 0);
    let text = '';
    await eventually(async () => {
      text = await readFile(join(folder, 'log'), 'utf8');
      return text.endsWith('\n');
    });
    const grandchild = Number(text);
    expect(identityOf(grandchild)).not.toBeNull();
    signalChild(child.pid ?? 0, 'SIGKILL');
    await once(child, 'exit');
    await eventually(() => identityOf(grandchild) === null);
  });
});

describe('the guard', () => {
  const guard = (...command: string[]) =>
    spawn(process.execPath, [join(SOURCES, 'guard.ts'), ...command], { stdio: ['pipe', 'pipe', 'inherit'] });

  it('kills its program when standard input ends', async () => {
    const child = guard('sh', '-c', 'echo $$; exec sleep 1000');
    const pid = Number(await firstLine(child));
    started.push(pid);
    child.stdin?.end();
    await once(child, 'exit');
    await eventually(() => identityOf(pid) === null);
  });

  it('hands on the request to end, and the exit code', async () => {
    const child = guard('sh', '-c', 'trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done');
    await firstLine(child);
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    expect(code).toBe(7);
  });
});

describe('a process identity', () => {
  it('tells this process from one that had its number before', () => {
    const own = ownIdentity();
    expect(isRunning(own)).toBe(true);
    expect(isRunning({ ...own, startedAt: 'another time' })).toBe(false);
  });

  it('knows that a process has ended, though its parent has not noticed', async () => {
    // The shell never waits for its child, which stays behind as a zombie.
    const shell = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const pid = Number(await firstLine(shell));
    await eventually(() => identityOf(pid) === null);
    shell.kill('SIGKILL');
  });
});

describe('a part', () => {
  const spec = (script: string, more: object = {}) => ({
    name: 'example',
    logFile: join(folder, 'example.log'),
    readyTimeoutMs: 20_000,
    stopTimeoutMs: 10_000,
    command: () => ({ file: 'sh', args: ['-c', script], endsWithStdin: false }),
    probe: async () => {
      const said = await readFile(join(folder, 'example.log'), 'utf8');
      if (!said.includes('ready')) throw new Error('not yet');
    },
    ...more,
  });

  it('is ready when it answers, and stopped when it is told to', async () => {
    const part = new Part(spec('echo ready; exec sleep 1000'), { logger, restarts: true });
    await part.start();
    expect(part.state).toBe('ready');
    const identity = identityOf(part.pid ?? 0);
    await part.stop();
    expect(part.state).toBe('stopped');
    expect(part.pid).toBeNull();
    expect(identity !== null && isRunning(identity)).toBe(false);
  });

  it('that ends before it answers shows the last lines of its log', async () => {
    const part = new Part(spec('echo the port is taken; exit 3'), { logger, restarts: false });
    await expect(part.start()).rejects.toThrow(/ended with exit code 3\nthe port is taken/);
    expect(part.state).toBe('failed');
  });

  it('that does not answer in time is killed', async () => {
    const part = new Part(spec('exec sleep 1000', { readyTimeoutMs: 300 }), { logger, restarts: false });
    await expect(part.start()).rejects.toThrow('did not answer within 0.3 s (not yet)');
    expect(part.pid).toBeNull();
  });

  it('that cannot be run at all says so', async () => {
    const command = () => ({ file: join(folder, 'nothing'), args: [], endsWithStdin: false });
    const part = new Part(spec('', { command }), { logger, restarts: false });
    await expect(part.start()).rejects.toThrow(/did not start/);
  });

  it('that takes no notice of SIGTERM is killed', async () => {
    const script = 'trap "" TERM; echo ready; while :; do sleep 0.05; done';
    const part = new Part(spec(script, { stopTimeoutMs: 200 }), { logger, restarts: false });
    await part.start();
    await part.stop();
    expect(part.pid).toBeNull();
  });

  it('that is stopped while it starts does not run afterwards', async () => {
    const part = new Part(spec('exec sleep 1000'), { logger, restarts: true });
    const starting = part.start();
    await Promise.all([expect(starting).rejects.toThrow('stopped before it was ready'), part.stop()]);
    expect(part.pid).toBeNull();
  });

  it('that dies is started again, unless that was ordered', async () => {
    const part = new Part(spec('echo ready; exec sleep 1000'), { logger, restarts: true });
    await part.start();
    const first = part.pid ?? 0;
    process.kill(first, 'SIGKILL');
    await eventually(() => part.state === 'ready' && part.pid !== first);
    await part.kill('SIGKILL');
    expect(part.pid).toBeNull();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(part.pid).toBeNull();
    await part.start();
    expect(part.state).toBe('ready');
    await part.stop();
  });
});
