/** Runs the programs that set-up needs: quietly, into one log file a step, and never past the end of set-up itself. */
import { spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { inTools } from './checkout.mjs';

const TAIL_LINES = 40;

/** A step that could not be done. The message is for a person; `log` holds what the program printed. */
export class StepFailed extends Error {
  constructor(message, log) {
    super(message);
    this.name = 'StepFailed';
    this.log = log;
  }

  /** The last lines of the log, which usually hold the reason. */
  tail() {
    if (this.log === undefined) return '';
    return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  }
}

/** The path of a program on PATH, or null. */
export function which(name, path = process.env.PATH ?? '') {
  for (const folder of path.split(delimiter)) {
    if (folder === '') continue;
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not here: the next folder may have it.
    }
  }
  return null;
}

/** Standard output and error of a short command, or null when it fails or takes longer than `timeoutMs`. */
export function capture(command, args, { env = process.env, cwd, timeoutMs = 10_000 } = {}) {
  const done = spawnSync(command, args, {
    env,
    cwd,
    encoding: 'utf8',
    timeout: timeoutMs,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return done.status === 0 ? done.stdout + done.stderr : null;
}

const running = new Set();
let interruption = null;

/**
 * On the first signal the program at work is ended, and set-up with it: the step is done again next time.
 * @returns a function that ends this, for what runs after set-up
 */
export function endProgramsOnSignal() {
  const end = (signal) => {
    interruption = signal;
    forget();
    for (const child of running) child.kill('SIGTERM');
    if (running.size === 0) process.kill(process.pid, signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const forget = () => {
    for (const signal of signals) process.removeListener(signal, end);
  };
  for (const signal of signals) process.on(signal, end);
  return forget;
}

/**
 * Runs a program to its end, everything it prints going to `.tools/log/<log>.log`. One that would go on for ever is told
 * to end when `endWhen`'s promise is fulfilled; how it ends then is its own affair. Its signal: the program has ended.
 * @throws {StepFailed} it failed, or took longer than `timeoutMs`
 */
export async function run(command, args, { log, env = process.env, cwd, timeoutMs = 0, endWhen = null }) {
  const title = basename(args[0] ?? '') === 'npm-cli.js' ? 'npm' : basename(command);
  const logFile = inTools('log', `${log}.log`);
  mkdirSync(dirname(logFile), { recursive: true });
  const output = openSync(logFile, 'a');
  writeSync(output, `\n$ ${[command, ...args].join(' ')}\n`);
  try {
    await new Promise((resolve, reject) => {
      const child = spawn(command, args, { env, cwd, stdio: ['ignore', output, output] });
      running.add(child);
      let isLate = false;
      let isTold = false;
      const ended = new AbortController();
      endWhen?.(ended.signal).then(
        () => {
          isTold = true;
          child.kill('SIGTERM');
        },
        () => {},
      );
      const timer =
        timeoutMs > 0 &&
        setTimeout(() => {
          isLate = true;
          child.kill('SIGKILL');
        }, timeoutMs);
      const finish = (error) => {
        clearTimeout(timer);
        ended.abort();
        running.delete(child);
        if (interruption !== null) process.kill(process.pid, interruption);
        else if (error === null) resolve();
        else reject(new StepFailed(error, logFile));
      };
      child.once('error', (error) => finish(`${title}: ${error.message}`));
      child.once('close', (code, signal) => {
        if (code === 0 || (isTold && !isLate)) finish(null);
        else if (isLate) finish(`${title} took longer than ${timeoutMs / 1000} s`);
        else finish(`${title} ended with ${signal ?? `exit code ${code}`}`);
      });
    });
  } finally {
    closeSync(output);
  }
}
