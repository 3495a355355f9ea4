/** One set-up at a time in a checkout: a lock that a killed holder cannot leave behind. */
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readJson, writeWhole } from './checkout.mjs';

const POLL_MS = 250;
const HEARTBEAT_MS = 5_000;
/** A holder on another machine (a shared folder, another container) is known only by its heartbeat. */
const DEAD_AFTER_MS = 60_000;

/**
 * The lock is the file with the highest number in `folder`: free when it says released or its holder is dead. It is
 * taken by creating the next number, which one process alone can do; numbers never go back, so no two hold it.
 */
export async function withLock(folder, { onWait }, action) {
  mkdirSync(folder, { recursive: true });
  let hasWaited = false;
  let number = 0;
  while (number === 0) {
    const highest = highestIn(folder);
    if (highest > 0 && isHeld(join(folder, String(highest)))) {
      if (!hasWaited) onWait(readJson(join(folder, String(highest)))?.pid);
      hasWaited = true;
      await sleep(POLL_MS);
    } else if (create(folder, highest + 1)) number = highest + 1;
  }
  const file = join(folder, String(number));
  for (const other of numbersIn(folder)) if (other < number) unlinkIfThere(join(folder, String(other)));
  const heartbeat = setInterval(() => utimesSync(file, new Date(), new Date()), HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await action();
  } finally {
    clearInterval(heartbeat);
    writeWhole(file, JSON.stringify({ released: true }));
  }
}

function create(folder, number) {
  const file = join(folder, String(number));
  const whole = join(folder, `new-${process.pid}`);
  writeFileSync(whole, JSON.stringify({ pid: process.pid, host: hostname(), started: startOf(process.pid) }));
  try {
    linkSync(whole, file);
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(whole);
  }
  // Someone may have taken and freed this very number, and a higher one, since the folder was listed.
  if (highestIn(folder) === number) return true;
  unlinkIfThere(file);
  return false;
}

function isHeld(file) {
  const holder = readJson(file);
  if (holder === null || holder.released === true) return false;
  if (holder.host !== hostname()) {
    const seen = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    return Date.now() - seen < DEAD_AFTER_MS;
  }
  return isAlive(holder.pid) && startOf(holder.pid) === holder.started;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** When a process began, so that another one with a reused id is not taken for it; null where /proc does not tell. */
function startOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function numbersIn(folder) {
  return readdirSync(folder)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function highestIn(folder) {
  return Math.max(0, ...numbersIn(folder));
}

function unlinkIfThere(file) {
  try {
    unlinkSync(file);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}
