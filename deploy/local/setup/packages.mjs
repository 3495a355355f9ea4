/** The npm packages of package-lock.json. No install script runs: the one that is needed has a step of its own. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  fingerprint,
  hashOf,
  isUnchanged,
  lockFile,
  packagesInLock,
  readJson,
  readStamp,
  root,
  writeStamp,
} from './checkout.mjs';
import { npmCommand, npmEnv, npmNeeds } from './node.mjs';
import { run } from './processes.mjs';

/** npm writes this after everything else: it says what an install that ended has put in place. */
const installedList = join(root, 'node_modules', '.package-lock.json');

const isMusl =
  process.platform === 'linux' &&
  existsSync(`/lib/ld-musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`);

export function packagesStep(node) {
  return {
    name: 'packages',
    label: 'npm packages',
    todo: 'npm ci --ignore-scripts',

    isReady() {
      const installed = readJson(installedList)?.packages;
      if (installed === undefined) return false;
      if (!isStamped() && !isWhatTheLockAsksFor(installed)) return false;
      return Object.keys(installed).every((folder) => existsSync(join(root, folder)));
    },

    needs: npmNeeds,

    async run() {
      const [npm, args] = npmCommand(node);
      // NODE_ENV=production or an npmrc may leave out what tests, demo and the local stack need.
      const flags = ['--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
      await run(npm, [...args, 'ci', ...flags], { log: 'packages', cwd: root, env: npmEnv(node) });
      writeStamp('packages', { lock: hashOf(lockFile), installed: fingerprint(installedList) });
    },
  };
}

function isStamped() {
  const stamp = readStamp('packages');
  return stamp !== null && isUnchanged(stamp.installed) && stamp.lock === hashOf(lockFile);
}

/** True for an install that someone made by hand, so that it is not done again. */
function isWhatTheLockAsksFor(installed) {
  return Object.entries(packagesInLock()).every(([folder, wanted]) => {
    if (folder === '' || wanted.link) return true;
    const found = installed[folder];
    if (found === undefined) return wanted.optional === true && !isMadeForThisMachine(wanted);
    return found.version === wanted.version && found.integrity === wanted.integrity;
  });
}

/** Optional packages that name no platform serve others that do, and are left out with them. */
function isMadeForThisMachine({ os, cpu, libc }) {
  const fits = (list, value) => list === undefined || list.includes(value);
  if (os === undefined && cpu === undefined) return false;
  return fits(os, process.platform) && fits(cpu, process.arch) && fits(libc, isMusl ? 'musl' : 'glibc');
}
