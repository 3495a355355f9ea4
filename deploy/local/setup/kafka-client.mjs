/** The native part of the Kafka client: kept from an earlier set-up, downloaded as published, or compiled here. */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  fingerprint,
  inTools,
  isUnchanged,
  packagesInLock,
  readJson,
  readStamp,
  removeStamp,
  replaceFolder,
  root,
  toolsDir,
  writeStamp,
} from './checkout.mjs';
import { nodeMajor, npmCommand, npmEnv } from './node.mjs';
import { capture, run, StepFailed, which } from './processes.mjs';

const PACKAGE = '@confluentinc/kafka-javascript';
const folder = join(root, 'node_modules', PACKAGE);
/** What of `build/` is needed to run, by its path below; the libraries exist only where it was compiled here. */
const MODULE = join('Release', 'confluent-kafka-javascript.node');
const LIBRARIES = ['librdkafka.so.1', 'librdkafka++.so.1', 'librdkafka.1.dylib', 'librdkafka++.1.dylib'].map(
  (name) => join('deps', name),
);

/** The package's own install script downloads its published binary from here. */
const BINARY_HOST = 'github.com';
const PROBE_MS = 5_000;
const DOWNLOAD_MS = 120_000;

export function kafkaClientStep(node) {
  const version = packagesInLock()[`node_modules/${PACKAGE}`]?.version;
  const key = `${version}-node${nodeMajor(node)}-${process.platform}-${process.arch}`;
  const kept = inTools('kafka-client', key);

  /** Loads the module in a process of its own: one that does not fit can end the process. */
  const loads = (file) =>
    existsSync(file) && capture(node.bin, ['-e', 'require(process.argv[1])', file]) !== null;

  return {
    name: 'client',
    label: 'Kafka client',

    get todo() {
      const isBuilt = loads(join(kept, MODULE)) || loads(join(folder, 'build', MODULE));
      return isBuilt
        ? `keep the build of ${PACKAGE} ${version} that is there`
        : `download the published binary of ${PACKAGE} ${version}, or compile it`;
    },

    isReady() {
      const stamp = readStamp('client');
      return (
        stamp !== null &&
        stamp.key === key &&
        stamp.files.every(isUnchanged) &&
        stamp.system.every(existsSync)
      );
    },

    async needs() {
      const isInstalled = readJson(join(folder, 'package.json'))?.version === version;
      if (loads(join(kept, MODULE)) || (isInstalled && loads(join(folder, 'build', MODULE)))) return [];
      return (await isReachable()) ? [] : buildNeeds();
    },

    async run() {
      removeStamp('client');
      const installed = join(folder, 'build');
      if (!loads(join(installed, MODULE))) {
        if (!loads(join(kept, MODULE))) await obtain(node, kept, loads);
        await copyBuild(kept, installed);
        if (!loads(join(installed, MODULE)))
          throw new StepFailed('the Kafka client does not load', inTools('log', 'client.log'));
      }
      // npm ci empties node_modules: the copy saves compiling again after every change of the lock file.
      if (!loads(join(kept, MODULE))) await copyBuild(installed, kept);
      const files = [MODULE, ...LIBRARIES]
        .map((name) => join(installed, name))
        .filter((file) => existsSync(file));
      writeStamp('client', {
        key,
        files: files.map(fingerprint),
        system: systemLibraries(join(installed, MODULE)),
      });
    },
  };
}

async function obtain(node, kept, loads) {
  if (await isReachable()) {
    try {
      await download(node);
      if (loads(join(folder, 'build', MODULE))) return await copyBuild(join(folder, 'build'), kept);
    } catch (error) {
      if (!(error instanceof StepFailed)) throw error;
    }
    const missing = buildNeeds();
    if (missing.length > 0)
      throw new StepFailed(
        `no published binary fits this machine, and to compile it ${missing.map((need) => need.what).join(', ')} is missing`,
      );
  }
  await build(node, kept);
}

/** What the package's install script does, without its fallback to a static build, which downloads four more sources. */
async function download(node) {
  rmSync(join(folder, 'build'), { recursive: true, force: true });
  const script = join(root, 'node_modules', '@mapbox', 'node-pre-gyp', 'bin', 'node-pre-gyp');
  await run(node.bin, [script, 'install'], {
    log: 'client',
    cwd: folder,
    env: npmEnv(node),
    timeoutMs: DOWNLOAD_MS,
  });
}

/**
 * Compiles against the system's libraries, in a copy of the package: a build that was interrupted leaves nothing
 * behind in node_modules. The makefiles bear no space in a path.
 */
async function build(node, kept) {
  mkdirSync(toolsDir, { recursive: true });
  const site = mkdtempSync(join(/\s/.test(root) ? tmpdir() : toolsDir, 'kafka-client-'));
  try {
    const copy = join(site, 'package');
    const modules = join(site, 'node_modules');
    mkdirSync(modules);
    await copyTree(folder, copy);
    rmSync(join(copy, 'build'), { recursive: true, force: true });
    await copyTree(join(root, 'node_modules', 'nan'), join(modules, 'nan'));
    const env = npmEnv(node, { CKJS_LINKING: 'dynamic', npm_config_build_from_source: 'true' });
    if (node.home !== null) {
      // Copied too, since gyp sees through a link to the path behind it.
      await copyTree(join(node.home, 'include'), join(site, 'node', 'include'));
      env.npm_config_nodedir = join(site, 'node');
    }
    env.PATH = [join(root, 'node_modules', '.bin'), env.PATH].join(':');
    const [npm, args] = npmCommand(node);
    await run(npm, [...args, 'run', 'install', '--foreground-scripts'], { log: 'client', cwd: copy, env });
    await copyBuild(join(copy, 'build'), kept);
  } finally {
    rmSync(site, { recursive: true, force: true });
  }
}

/** Copies what a build needs to run, and puts it in place in one move. */
async function copyBuild(from, to) {
  const fresh = `${to}.fresh-${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  for (const name of [MODULE, ...LIBRARIES]) {
    if (existsSync(join(from, name))) await copyTree(realpathSync(join(from, name)), join(fresh, name));
  }
  replaceFolder(fresh, to);
}

async function copyTree(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  await run('cp', ['-Rp', from, to], { log: 'client' });
}

/** The system's libraries that the module loads: when one is gone the module no longer works. Empty where unknown. */
function systemLibraries(module) {
  const said = which('ldd') === null ? null : capture('ldd', [module]);
  return [...(said ?? '').matchAll(/=> (\/.+) \(0x/g)]
    .map((match) => match[1])
    .filter((file) => !file.startsWith(root));
}

let reachable;
/** A machine without the way out must learn it in seconds. Behind a proxy only the download itself can tell. */
function isReachable() {
  const { https_proxy, HTTPS_PROXY, http_proxy, HTTP_PROXY } = process.env;
  if (https_proxy || HTTPS_PROXY || http_proxy || HTTP_PROXY) return Promise.resolve(true);
  reachable ??= new Promise((resolve) => {
    const call = request({ host: BINARY_HOST, method: 'HEAD', timeout: PROBE_MS }, (answer) => {
      answer.resume();
      resolve(true);
    });
    call.on('timeout', () => call.destroy(new Error('no answer')));
    call.on('error', () => resolve(false));
    setTimeout(() => call.destroy(new Error('no answer')), PROBE_MS).unref();
    call.end();
  });
  return reachable;
}

const WHY = 'to compile the Kafka client, whose published binary cannot be had here';

function buildNeeds() {
  const tools = [
    ['g++', { apt: ['g++'], dnf: ['gcc-c++'], brew: [] }],
    ['make', { apt: ['make'], dnf: ['make'], brew: [] }],
    ['python3', { apt: ['python3'], dnf: ['python3'], brew: ['python'] }],
    ['pkg-config', { apt: ['pkg-config'], dnf: ['pkgconf'], brew: ['pkg-config'] }],
  ];
  const libraries = [
    ['zlib', { apt: ['zlib1g-dev'], dnf: ['zlib-devel'], brew: ['zlib'] }],
    ['openssl', { apt: ['libssl-dev'], dnf: ['openssl-devel'], brew: ['openssl'] }],
    ['libzstd', { apt: ['libzstd-dev'], dnf: ['libzstd-devel'], brew: ['zstd'] }],
    ['libcurl', { apt: ['libcurl4-openssl-dev'], dnf: ['libcurl-devel'], brew: ['curl'] }],
    ['libsasl2', { apt: ['libsasl2-dev'], dnf: ['cyrus-sasl-devel'], brew: ['cyrus-sasl'] }],
    ['liblz4', { apt: ['liblz4-dev'], dnf: ['lz4-devel'], brew: ['lz4'] }],
  ];
  const isThere = (library) =>
    which('pkg-config') !== null && capture('pkg-config', ['--exists', library]) !== null;
  return [
    ...tools
      .filter(([name]) => which(name) === null)
      .map(([name, names]) => ({ what: name, why: WHY, ...names })),
    ...libraries
      .filter(([name]) => !isThere(name))
      .map(([name, names]) => ({ what: `${name} headers`, why: WHY, ...names })),
  ];
}
