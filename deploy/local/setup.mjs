/** Brings everything campaign-ledger needs to run from a checkout; does nothing when it is all there. `npm run setup`. */
import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { browserStep } from './setup/browser.mjs';
import { inTools, packagesInLock, toolsDir } from './setup/checkout.mjs';
import { clientsStep, forgetFailedClients } from './setup/clients.mjs';
import { findJava, javaStep } from './setup/java.mjs';
import { kafkaClientStep } from './setup/kafka-client.mjs';
import { kafkaJarsStep } from './setup/kafka-jars.mjs';
import { withLock } from './setup/lock.mjs';
import { chooseNode, nodeStep } from './setup/node.mjs';
import { packagesStep } from './setup/packages.mjs';
import { endProgramsOnSignal, StepFailed } from './setup/processes.mjs';
import { canInstall, describeMissing, install } from './setup/system-packages.mjs';

// This file and those it imports run on any Node from 16 on, with nothing installed: built-in modules only.

/** In their order. All but the last two are what commands need; the tests have use for those as well. */
export const STEPS = ['node', 'packages', 'client', 'java', 'kafka', 'browser', 'clients'];
const LAST = 'clients';

/** Set-up cannot be done on this machine as it is. The message is for a person. */
class CannotSetUp extends Error {}

/**
 * Does what is still to be done of the steps up to and including `upTo`.
 * @returns the Node to run with and the Java for the broker (null below the step java)
 */
export async function setUp({ upTo = 'kafka' } = {}) {
  const node = chooseNode();
  const steps = stepsUpTo(upTo, node);
  if (!steps.every((step) => step.isReady())) {
    const forget = endProgramsOnSignal();
    const onWait = (pid) => say(`waiting for another set-up (process ${pid}) …\n`);
    await withLock(inTools('lock'), { onWait }, () => bringAll(steps));
    forget();
  }
  return { node, java: STEPS.indexOf(upTo) >= STEPS.indexOf('java') ? findJava() : null };
}

function stepsUpTo(upTo, node) {
  const all = [
    nodeStep(node),
    packagesStep(node),
    kafkaClientStep(node),
    javaStep(),
    kafkaJarsStep(),
    browserStep(),
    clientsStep(),
  ];
  return all.slice(0, STEPS.indexOf(upTo) + 1);
}

async function bringAll(steps) {
  refuseUnknownPlatform(steps);
  const todo = steps.filter((step) => !step.isReady());
  const named = (await Promise.all(todo.map((step) => step.needs()))).flat();
  const needs = named.filter(({ what }, index) => named.findIndex((need) => need.what === what) === index);
  if (needs.length > 0 && !canInstall(needs)) throw new CannotSetUp(describeMissing(needs));
  sweepLeftovers();
  if (needs.length > 0)
    await timed(`system packages (${needs.map((need) => need.what).join(', ')})`, () => install(needs));
  const begun = new Map(todo.filter((step) => step.begin !== undefined).map((step) => [step, step.begin()]));
  try {
    // Asked at its turn: new packages empty node_modules, and the client that was there is there no more.
    for (const step of steps)
      if (step.run !== null && !step.isReady()) await timed(step.label, () => step.run(begun.get(step)));
  } finally {
    // A program that outlived set-up would meet the next one's.
    await Promise.allSettled(begun.values());
  }
  for (const step of steps) {
    const lacks = step.lacks?.() ?? '';
    if (lacks !== '')
      say(`going on without ${lacks}. Tests that need it are skipped; npm run setup tries again.\n`);
  }
  const undone = steps.find((step) => !step.isReady());
  if (undone !== undefined)
    throw new CannotSetUp(
      `${undone.label}: done, and yet not there. Remove ${toolsDir} and node_modules, then run this again.`,
    );
}

/** Prints one line for a step: what it is, and how long it took. At a terminal the seconds run, since some steps take minutes. */
async function timed(label, action) {
  const start = Date.now();
  const elapsed = (digits) => `${((Date.now() - start) / 1000).toFixed(digits)} s`;
  say(`${label} … `);
  const ticker = process.stderr.isTTY && setInterval(() => say(`${label} … ${elapsed(0)}`, '\r'), 1000);
  const finish = (outcome) => {
    clearInterval(ticker);
    if (ticker) say(`${label} … ${outcome}  \n`, '\r');
    else process.stderr.write(`${outcome}\n`);
  };
  try {
    await action();
    finish(elapsed(1));
  } catch (error) {
    finish(`failed after ${elapsed(1)}`);
    throw error;
  }
}

/** The engine of the local ClickHouse is published for some platforms only; all else is said by the steps themselves. */
function refuseUnknownPlatform(steps) {
  const engine = `node_modules/@chdb/lib-${process.platform}-${process.arch}`;
  if (
    !steps.some((step) => step.name === 'kafka') ||
    Object.keys(packagesInLock()).some((folder) => folder.startsWith(engine))
  )
    return;
  throw new CannotSetUp(
    `cannot go on; nothing was changed. The local stack has no ClickHouse engine for ${process.platform}-${process.arch}.\n` +
      'Use a Linux x64 machine, or deploy/compose.yaml.',
  );
}

/** What a killed set-up left half done. Only the holder of the lock may clear it away. */
function sweepLeftovers() {
  for (const folder of [
    toolsDir,
    inTools('node'),
    inTools('kafka'),
    inTools('kafka-client'),
    inTools('clients'),
  ]) {
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder)) {
      if (/(^|\.)(fresh|old)-([a-z]+-)?\d+$|^kafka-client-/.test(name))
        rmSync(join(folder, name), { recursive: true, force: true });
    }
  }
}

function say(text, before = '') {
  process.stderr.write(`${before}setup: ${text}`);
}

/** Prints what is wrong as a person needs it, without a stack, and ends with exit code 1. */
export function failSetUp(error) {
  if (error instanceof StepFailed) {
    say(`${error.message}\n`);
    if (error.log !== undefined)
      process.stderr.write(`${error.tail()}\nsetup: the whole of it is in ${error.log}\n`);
  } else if (error instanceof CannotSetUp) say(`${error.message}\n`);
  else if (error.code === 'EACCES' || error.code === 'EROFS')
    say(`cannot write here as this user: ${error.message}\n`);
  else throw error;
  process.exit(1);
}

/** Prints each step and what it would do. @returns whether all is there */
async function check() {
  let isAll = true;
  for (const step of stepsUpTo(LAST, chooseNode())) {
    const isReady = step.isReady();
    isAll &&= isReady;
    const needs = isReady ? [] : await step.needs();
    const lacks = step.lacks?.() ?? '';
    const without = lacks === '' ? '' : `, without ${lacks}`;
    const first = needs.length === 0 ? '' : `; first install ${needs.map((need) => need.what).join(', ')}`;
    process.stdout.write(
      `${step.name.padEnd(9)}${isReady ? `there: ${step.label}${without}` : `would ${step.todo}${first}`}\n`,
    );
  }
  return isAll;
}

const USAGE = `usage: npm run setup [-- --check]
  --check        print what would be done, do nothing; exit 0 when all is there, else 3
  --up-to STEP   stop after one of: ${STEPS.join(' ')} (default ${LAST}, the last; only tests need the last two)
`;

async function main(args) {
  const upTo = args[0] === '--up-to' ? args[1] : LAST;
  if (args[0] === '--check' && args.length === 1) process.exit((await check()) ? 0 : 3);
  if (!STEPS.includes(upTo) || ![0, 2].includes(args.length)) {
    process.stderr.write(USAGE);
    process.exit(args[0] === '--help' ? 0 : 2);
  }
  const start = Date.now();
  mkdirSync(toolsDir, { recursive: true });
  forgetFailedClients();
  await setUp({ upTo });
  say(`all there (${((Date.now() - start) / 1000).toFixed(1)} s)\n`);
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  main(process.argv.slice(2)).catch(failSetUp);
