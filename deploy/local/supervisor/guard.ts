/** `node guard.ts PROGRAM ARG…` runs a program that knows nothing of its parent, and kills it when standard input ends. */
import { spawn } from 'node:child_process';

const [file, ...args] = process.argv.slice(2);
if (file === undefined) throw new Error('guard: no program is given');

const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit'] });
const kill = () => child.kill('SIGKILL');

process.stdin.on('end', kill).on('error', kill).resume();
process.on('exit', kill);
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));

child.on('error', (error) => {
  process.stderr.write(`${file}: ${error.message}\n`);
  process.exit(127);
});
child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128));
