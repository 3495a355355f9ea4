/** Runs a file under the right Node once everything it needs is there: `node with-setup.mjs [--up-to STEP] FILE [args]`. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { toolsDir } from './setup/checkout.mjs';
import { isNewEnough } from './setup/node.mjs';
import { failSetUp, STEPS, setUp } from './setup.mjs';

/** Set for what runs inside, so that a command started by a command does not look again. */
const DONE = 'LEDGER_SETUP_DONE';
/** In the child from its first moment on, whatever it runs: see there. */
const END_WITH_PARENT = new URL('setup/end-with-parent.mjs', import.meta.url);
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];

/** Milliseconds between two looks whether npm is still there, and for an end in good order once it is not. */
const LOOK_MS = 200;
const ENDING_MS = 15_000;

const args = process.argv.slice(2);
let upTo = args[0] === '--up-to' ? args.splice(0, 2)[1] : 'kafka';
// The pipelines run against anyone's Kafka; only `stack …` starts a broker of its own.
if (upTo === 'client' && args[1] === 'stack') upTo = 'kafka';

let child = null;
watchNpm();

const isInside = isNewEnough(process.version) && STEPS.indexOf(process.env[DONE]) >= STEPS.indexOf(upTo);
if (isInside) runFile(process.execPath, process.env);
else setUp({ upTo }).then(({ node, java }) => runFile(node.bin, environment(node, java)), failSetUp);

function environment(node, java) {
  const folders = [node.bin, java].filter((file) => file !== null).map(dirname);
  return {
    // Every command compiles the same hundreds of files. In the checkout, where nobody else can put anything.
    NODE_COMPILE_CACHE: join(toolsDir, 'compile-cache'),
    ...process.env,
    PATH: [...folders, process.env.PATH ?? ''].join(delimiter),
    [DONE]: upTo,
  };
}

function runFile(node, env) {
  // Node 22 and 23 announce at every start that running TypeScript is experimental.
  const flags = /^v2[23]\./.test(process.version) ? ['--disable-warning=ExperimentalWarning'] : [];
  const tie = `${END_WITH_PARENT.href}?parent=${process.pid}`;
  child = spawn(node, [...flags, '--import', tie, ...args], { stdio: 'inherit', env });
  for (const signal of FORWARDED) process.on(signal, () => forward(signal));
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
function forward(signal) {
  const isFromTerminal =
    signal === 'SIGINT' && [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  if (!isFromTerminal) child.kill(signal);
}

/**
 * kill -9 of npm tells nobody, and what npm started would run on unseen. Only npm's end counts: somebody who starts this
 * file from a shell may close the shell.
 */
function watchNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const npm = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(timer);
    if (child === null) process.exit(1);
    child.kill('SIGTERM');
    // The child does not outlive this process: see END_WITH_PARENT.
    setTimeout(() => process.exit(1), ENDING_MS).unref();
  }, LOOK_MS);
  timer.unref();
}
