/** Runs a file under the right Node once everything it needs is there: `node with-setup.mjs [--up-to STEP] FILE [args]`. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, dirname } from 'node:path';
import { isNewEnough } from './setup/node.mjs';
import { failSetUp, setUp } from './setup.mjs';

/** Set for what runs inside, so that a command started by a command does not look again. */
const DONE = 'LEDGER_SETUP_DONE';
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];

const args = process.argv.slice(2);
let upTo = args[0] === '--up-to' ? args.splice(0, 2)[1] : 'kafka';
// The pipelines run against anyone's Kafka; only `stack …` starts a broker of its own.
if (upTo === 'client' && args[1] === 'stack') upTo = 'kafka';

const isInside = isNewEnough(process.version) && ['kafka', upTo].includes(process.env[DONE]);
if (isInside) runFile(process.execPath, process.env);
else setUp({ upTo }).then(({ node, java }) => runFile(node.bin, environment(node, java)), failSetUp);

function environment(node, java) {
  const folders = [node.bin, java].filter((file) => file !== null).map(dirname);
  return { ...process.env, PATH: [...folders, process.env.PATH ?? ''].join(delimiter), [DONE]: upTo };
}

function runFile(node, env) {
  // Node 22 and 23 announce at every start that running TypeScript is experimental.
  const flags = /^v2[23]\./.test(process.version) ? ['--disable-warning=ExperimentalWarning'] : [];
  const child = spawn(node, [...flags, ...args], { stdio: 'inherit', env });
  for (const signal of FORWARDED) process.on(signal, () => forward(child, signal));
  child.on('error', (error) => {
    process.stderr.write(`${node}: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    // A signal that is ignored here, or that a container's first process never sees, must not look like success.
    setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
  });
}

/** Ctrl-C at a terminal reaches the whole foreground group: passed on, it would count as a second one. */
function forward(child, signal) {
  const isFromTerminal =
    signal === 'SIGINT' && [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  if (!isFromTerminal) child.kill(signal);
}
