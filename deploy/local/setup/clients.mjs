/** Other people's clients, by which the tests look at our data: Python with clickhouse-connect and others, ClickHouse's JDBC driver. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  fingerprint,
  hashOf,
  inTools,
  isUnchanged,
  readStamp,
  removeStamp,
  replaceFolder,
  root,
  writeStamp,
} from './checkout.mjs';
import { findJava, homeOf } from './java.mjs';
import { localRepository } from './kafka-jars.mjs';
import { capture, run, StepFailed, which } from './processes.mjs';
import { canInstall, install } from './system-packages.mjs';

/** The oldest that the pinned packages run on. */
const OLDEST = 11;
const SLOWEST_MS = 300_000;

const requirements = join(root, 'test', 'helpers', 'clients', 'requirements.txt');
const pom = join(root, 'test', 'helpers', 'clients', 'pom.xml');
const pythonFolder = inTools('clients', 'python');
const jdbcFolder = inTools('clients', 'jdbc');

const PYTHON_NEED = {
  what: `Python 3.${OLDEST} or newer with venv`,
  why: 'for the tests that read as BI tools do',
  apt: ['python3-venv'],
};

/**
 * Nobody but the tests needs it, and they do without: where a part is not to be had, the step ends all the same, and the
 * tests that want it are skipped.
 */
export function clientsStep() {
  return {
    name: 'clients',
    label: 'clients for the tests (Python, JDBC)',
    todo: `install ${requirements} into ${pythonFolder}, and fetch the JDBC driver with Maven`,

    isReady() {
      const stamp = readStamp('clients');
      if (stamp === null || stamp.wanted !== wanted()) return false;
      return [...(stamp.python.files ?? []), ...(stamp.jdbc.files ?? [])].every(isUnchanged);
    },

    // What is missing here must not stop anyone who only wants to run the thing.
    needs: () => [],

    /** Python's part takes the network more than the processor: beside the other steps it takes little time of its own. */
    begin() {
      const begun = attempt(bringPython);
      begun.catch(() => {});
      return begun;
    },

    async run(begun) {
      // Maven's folder bears one Maven at a time: the step before, which fetches Kafka's jars, has ended.
      const [python, jdbc] = await Promise.all([begun ?? attempt(bringPython), attempt(bringJdbc)]);
      writeStamp('clients', { wanted: wanted(), python, jdbc });
    },

    lacks: lacking,
  };
}

/** Whoever asks for set-up by name wants what failed tried again; every `npm test` would lose the time once more. */
export function forgetFailedClients() {
  if (lacking() !== '') removeStamp('clients');
}

/** What could not be had and why, for people; empty when all is there. */
function lacking() {
  const stamp = readStamp('clients');
  if (stamp === null || stamp.wanted !== wanted()) return '';
  return Object.entries({ Python: stamp.python, JDBC: stamp.jdbc })
    .filter(([, part]) => part.files === undefined)
    .map(([name, part]) => `${name} (${part.missing})`)
    .join(' and ');
}

function wanted() {
  return `${hashOf(requirements)} ${hashOf(pom)}`;
}

/** @returns `{ files }`, the fingerprints of what is there now, or `{ missing }`, the reason */
async function attempt(bring) {
  try {
    return { files: await bring() };
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    const where = error.log === undefined ? '' : `, see ${error.log}`;
    return { missing: `${error.message}${where}` };
  }
}

async function bringPython() {
  if (findPython() === null && canInstall([PYTHON_NEED])) await install([PYTHON_NEED]);
  const python = findPython();
  if (python === null) throw new StepFailed(`no ${PYTHON_NEED.what} on this machine`);
  const fresh = inTools('clients', `fresh-python-${process.pid}`);
  const options = { log: 'clients-python', timeoutMs: SLOWEST_MS };
  rmSync(fresh, { recursive: true, force: true });
  try {
    // A pip of its own is half of what an environment takes to make.
    const hasPip = canServeOthers(python);
    await run(python, ['-m', 'venv', ...(hasPip ? ['--without-pip'] : []), fresh], options);
    const inside = join(fresh, 'bin', 'python');
    const pip = hasPip ? [python, '-m', 'pip', '--python', inside] : [inside, '-m', 'pip'];
    const flags = ['--no-input', '--no-compile', '--disable-pip-version-check', '--only-binary', ':all:'];
    const [program, ...args] = [...pip, 'install', ...flags, '--retries', '2', '-r', requirements];
    await run(program, args, options);
    await run(inside, ['-c', 'import clickhouse_connect, jpype, pyarrow, sqlalchemy'], options);
    replaceFolder(fresh, pythonFolder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return [fingerprint(join(pythonFolder, 'pyvenv.cfg'))];
}

function findPython() {
  const test = `import ensurepip, sys, venv; sys.exit(sys.version_info < (3, ${OLDEST}))`;
  const found = [which('python3'), which('python3', '/usr/bin')].filter((file) => file !== null);
  return found.find((python) => capture(python, ['-c', test]) !== null) ?? null;
}

/** Since 22.3 a pip installs into another environment than its own. */
function canServeOthers(python) {
  const version = capture(python, ['-m', 'pip', '--version'])?.match(/^pip (\d+)/)?.[1];
  return version !== undefined && Number(version) >= 23;
}

async function bringJdbc() {
  if (which('mvn') === null) throw new StepFailed('no Maven on this machine');
  const java = findJava();
  const env = java === null ? process.env : { ...process.env, JAVA_HOME: homeOf(java) };
  const fresh = inTools('clients', `fresh-jdbc-${process.pid}`);
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  try {
    const flags = ['-B', '-C', '-U', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${fresh}`];
    const options = { log: 'clients-jdbc', env, timeoutMs: SLOWEST_MS };
    await run('mvn', [...flags, ...localRepository()], options);
    replaceFolder(fresh, jdbcFolder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return readdirSync(jdbcFolder).map((name) => fingerprint(join(jdbcFolder, name)));
}
