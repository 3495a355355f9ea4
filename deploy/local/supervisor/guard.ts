/** `node guard.ts PROGRAM ARG…` runs a program that knows nothing of its parent, and kills it when standard input ends. */
import { type ChildProcess, spawn } from 'node:child_process';

const [file, ...args] = process.argv.slice(2);
if (file === undefined) throw new Error('guard: no program is given');

let child: ChildProcess | undefined;
const kill = () => child?.kill('SIGKILL');

// Before the program is there: a signal that found no handler would end the guard and leave the program behind.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child?.kill(signal));
process.on('exit', kill);
process.stdin.on('end', kill).on('error', kill).resume();

child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit'] });
child.on('error', (error) => {
  process.stderr.write(`${file}: ${error.message}\n`);
  process.exit(127);
});
child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128));
