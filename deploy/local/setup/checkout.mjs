/** Where the checkout is, what it pins, and the stamps that say which set-up step is done. */
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** Everything that set-up brings and that is not an npm package; ignored by git, safe to delete. */
export const toolsDir = join(root, '.tools');

export const lockFile = join(root, 'package-lock.json');

export function inTools(...parts) {
  return join(toolsDir, ...parts);
}

export function pinnedNodeVersion() {
  return readFileSync(join(root, '.nvmrc'), 'utf8').trim().replace(/^v/, '');
}

/** npm's version, as package.json's packageManager says it: `npm@1.2.3`. */
export function pinnedNpm() {
  return readJson(join(root, 'package.json')).packageManager;
}

let lockedPackages;
/** The packages of package-lock.json by their folder. */
export function packagesInLock() {
  lockedPackages ??= JSON.parse(readFileSync(lockFile, 'utf8')).packages;
  return lockedPackages;
}

export function hashOf(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

export function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

/** False for a user without a home folder (a service account): npm and Maven then keep their downloads in .tools. */
export function hasHome() {
  try {
    accessSync(homedir(), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** A stamp is written last and in one move: one that is there means that its step ended. */
export function readStamp(step) {
  return readJson(inTools('stamps', `${step}.json`));
}

export function writeStamp(step, content) {
  writeWhole(inTools('stamps', `${step}.json`), JSON.stringify(content, null, 1));
}

export function removeStamp(step) {
  rmSync(inTools('stamps', `${step}.json`), { force: true });
}

export function writeWhole(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, text);
  renameSync(partial, file);
}

/** Puts `fresh` in the place of `folder`. What was there stays readable for whoever has it open. */
export function replaceFolder(fresh, folder) {
  const old = `${folder}.old-${process.pid}`;
  mkdirSync(dirname(folder), { recursive: true });
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(fresh, folder);
  rmSync(old, { recursive: true, force: true });
}

/** What a stamp remembers of a file, so that one deleted, cut short or replaced is noticed without reading it. */
export function fingerprint(file) {
  const { size, mtimeMs } = statSync(file);
  return { file, size, mtimeMs };
}

export function isUnchanged({ file, size, mtimeMs }) {
  const now = statSync(file, { throwIfNoEntry: false });
  return now !== undefined && now.size === size && now.mtimeMs === mtimeMs;
}
