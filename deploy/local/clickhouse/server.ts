/** ClickHouse on one data directory with its own HTTP interface, inside this process. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { runClickHouseLocal } from './engine.ts';
import { Lifeline } from './lifeline.ts';
import { type Account, serverConfigXml, usersXml } from './server-config.ts';

export interface ServerOptions {
  /** Holds everything: tables, and under `front/` what this front tells the engine. Made when missing. */
  readonly dataDir: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly accounts: readonly Account[];
  readonly maxMemoryBytes: number;
  readonly logLevel: string;
}

export interface RunningServer {
  /** `http://host:port`, where `/ping` answered. */
  readonly address: string;
  /** Settles when the engine has ended, whatever ended it. */
  readonly ended: Promise<void>;
  /** Closes the listeners, lets the engine finish, and resolves with `ended`. */
  stop(): Promise<void>;
}

const POLL_MS = 10;
const NO_ANSWER = { statusCode: 0, body: { text: async () => '' } };

/**
 * Resolves once `/ping` answers. At most once a process.
 * @throws Error in the engine's words when it ended first: the directory is in use, the port is taken
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  // A directory of its own: another process may be serving this data, which only the engine's lock will tell.
  const runs = join(options.dataDir, 'front');
  await mkdir(runs, { recursive: true, mode: 0o700 });
  const run = await mkdtemp(join(runs, 'run-'));
  const configFile = join(run, 'config.xml');
  const usersFile = join(run, 'users.xml');
  const portFile = join(run, 'port');
  const { maxMemoryBytes, logLevel } = options;
  await writeFile(configFile, serverConfigXml({ maxMemoryBytes, logLevel, usersFile }), { mode: 0o600 });
  const lifeline = await Lifeline.create(join(run, 'lifeline'));
  await writeFile(usersFile, usersXml(options.accounts), { mode: 0o600 });

  let hasEnded = false;
  const ended = runClickHouseLocal([
    `--path=${options.dataDir}`,
    `--config-file=${configFile}`,
    `--log-level=${logLevel}`,
    `--listen_host=${options.host}`,
    `--http_port=${options.port}`,
    '--query',
    [
      'SYSTEM START LISTEN HTTP',
      `SELECT getServerPort('http_port') INTO OUTFILE ${literal(portFile)} FORMAT TSV`,
      `SELECT * FROM file(${literal(lifeline.path)}, LineAsString) FORMAT Null`,
    ].join('; '),
  ]).then((message) => {
    hasEnded = true;
    if (message !== null) throw new Error(message);
  });
  ended.catch(() => undefined);

  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  let address: string | undefined;
  while (address === undefined || !(await answersPing(address))) {
    if (hasEnded) await failStart(ended, run);
    await sleep(POLL_MS);
    const port = await readFile(portFile, 'utf8').catch(() => '');
    if (port.endsWith('\n')) address = `http://${host}:${port.trim()}`;
  }
  await removeAllBut(run).catch(() => undefined);

  let stopped: Promise<void> | undefined;
  return {
    address,
    ended,
    stop() {
      stopped ??= lifeline
        .cut()
        .then(() => ended)
        .finally(() => rm(run, { recursive: true, force: true }));
      return stopped;
    },
  };
}

async function failStart(ended: Promise<void>, run: string): Promise<never> {
  await rm(run, { recursive: true, force: true });
  await ended;
  throw new Error('the engine ended before it listened; its reason stands above');
}

/** What killed predecessors left behind. Safe once the engine holds its lock: then none of them is alive. */
async function removeAllBut(run: string): Promise<void> {
  const runs = dirname(run);
  for (const name of await readdir(runs)) {
    if (name !== basename(run)) await rm(join(runs, name), { recursive: true, force: true });
  }
}

/** On a connection of its own: an idle one left open would delay the engine's end. */
async function answersPing(address: string): Promise<boolean> {
  const { statusCode, body } = await request(`${address}/ping`, { reset: true }).catch(() => NO_ANSWER);
  return statusCode === 200 && (await body.text()) === 'Ok.\n';
}

function literal(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
