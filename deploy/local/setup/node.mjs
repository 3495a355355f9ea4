/** The Node that runs campaign-ledger: the machine's own where it is new enough, else one brought from npm. */
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { hasHome, inTools, pinnedNodeVersion, pinnedNpm, readJson, replaceFolder } from './checkout.mjs';
import { capture, run, StepFailed, which } from './processes.mjs';

/** TypeScript runs unbuilt from these on. */
export function isNewEnough(version) {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number);
  return major >= 24 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

/** @returns which Node is to be used: `{ bin, version, home, isBrought }`; `home` holds its C headers, or is null */
export function chooseNode(running = { version: process.version, bin: process.execPath }) {
  if (isNewEnough(running.version)) {
    const home = dirname(dirname(realpathSync(running.bin)));
    return {
      bin: running.bin,
      version: running.version.slice(1),
      home: headersVersion(home) === running.version.slice(1) ? home : null,
      isBrought: home === broughtHome(),
    };
  }
  const home = broughtHome();
  return { bin: join(home, 'bin', 'node'), version: pinnedNodeVersion(), home, isBrought: true };
}

function packageName() {
  return `node-${process.platform}-${process.arch}`;
}

function broughtHome() {
  return inTools('node', packageName());
}

/** A compiled module fits one major version of Node. */
export function nodeMajor(node) {
  return Number(node.version.split('.')[0]);
}

function headersVersion(home) {
  const file = join(home, 'include', 'node', 'node_version.h');
  if (!existsSync(file)) return null;
  const text = readFileSync(file, 'utf8');
  return ['MAJOR', 'MINOR', 'PATCH']
    .map((part) => text.match(new RegExp(`#define NODE_${part}_VERSION (\\d+)`))?.[1])
    .join('.');
}

export function nodeStep(node) {
  return {
    name: 'node',
    label: node.isBrought ? `Node ${node.version}` : `the machine's Node ${node.version}`,
    todo: `install Node ${node.version} and ${pinnedNpm()} by npm (this machine's Node is ${process.version})`,

    isReady() {
      if (!node.isBrought) return true;
      return readJson(join(node.home, 'package.json'))?.version === node.version && existsSync(node.bin);
    },

    needs: npmNeeds,

    async run() {
      const fresh = inTools('node', `fresh-${process.pid}`);
      const wanted = [`${packageName()}@${node.version}`, pinnedNpm()];
      rmSync(fresh, { recursive: true, force: true });
      mkdirSync(fresh, { recursive: true });
      try {
        const [npm, args] = npmCommand(null);
        const flags = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'];
        await run(npm, [...args, 'install', '--prefix', fresh, ...flags, ...wanted], {
          log: 'node',
          env: npmEnv(),
        });
        const folder = join(fresh, 'node_modules', packageName());
        const version = capture(join(folder, 'bin', 'node'), ['--version'])?.trim();
        if (version !== `v${node.version}`)
          throw new StepFailed(`${wanted[0]} does not run on this machine (it needs glibc 2.28 or newer)`);
        addNpm(join(fresh, 'node_modules', 'npm'), folder);
        replaceFolder(folder, node.home);
      } finally {
        rmSync(fresh, { recursive: true, force: true });
      }
    },
  };
}

/**
 * Where Node's own archives have it. The machine's npm fits the machine's Node, not this one: Debian's compiles native
 * modules that load Debian's Node as a library, and end the process.
 */
function addNpm(npm, home) {
  mkdirSync(join(home, 'lib', 'node_modules'), { recursive: true });
  renameSync(npm, join(home, 'lib', 'node_modules', 'npm'));
  symlinkSync(npmIn('..'), join(home, 'bin', 'npm'));
}

function npmIn(home) {
  return join(home, 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js');
}

/** What is missing for npm to be run at all. */
export function npmNeeds() {
  if (npmScript() !== null || which('npm') !== null) return [];
  return [{ what: 'npm', why: 'to bring Node and the packages', apt: ['npm'], dnf: ['npm'], brew: ['node'] }];
}

/** The script of the machine's npm, so that any Node can run it whatever its first line says. */
function npmScript() {
  const started = process.env.npm_execpath;
  if (started !== undefined && /npm-cli\.js$/.test(started) && existsSync(started)) return started;
  const onPath = which('npm');
  if (onPath === null) return null;
  const real = realpathSync(onPath);
  return real.endsWith('npm-cli.js') ? real : null;
}

/** The program and first arguments that start npm under `node` (null: under the Node that runs now). */
export function npmCommand(node) {
  const script = node?.isBrought && existsSync(npmIn(node.home)) ? npmIn(node.home) : npmScript();
  return script === null ? ['npm', []] : [node === null ? process.execPath : node.bin, [script]];
}

/**
 * The environment for npm and what it starts. It has the chosen Node first on PATH, and nothing of the npm run that
 * started set-up: its silence, its package, its compiler of native modules.
 */
export function npmEnv(node = null, extra = {}) {
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    if (/^npm_(lifecycle|package|command|config_(loglevel|local_prefix|dry_run|node_gyp))/i.test(name))
      delete env[name];
  }
  // The client's own makefile has a race when either asks for parallel jobs.
  for (const name of ['JOBS', 'MAKEFLAGS', 'npm_config_jobs']) delete env[name];
  if (node !== null) {
    env.PATH = [dirname(node.bin), env.PATH ?? ''].join(delimiter);
    // A machine's npmrc may point nodedir at the headers of an older Node: the environment wins over it.
    if (node.home !== null) env.npm_config_nodedir = node.home;
  }
  if (!hasHome()) env.npm_config_cache = inTools('npm-cache');
  return { ...env, npm_config_update_notifier: 'false', ...extra };
}
