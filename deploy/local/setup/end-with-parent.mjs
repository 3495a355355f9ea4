/** `node --import end-with-parent.mjs?parent=PID FILE`: the process is killed when that one is gone, however it went. */
import { isMainThread } from 'node:worker_threads';

const LOOK_MS = 200;

/**
 * Looking works on every system; what the kernel offers (PR_SET_PDEATHSIG, as for the parts of the stack) is Linux's
 * alone. Processes that this one forks inherit the flag, and so the tie; those that it spawns do not: a detached stack
 * goes on.
 */
const parent = Number(new URL(import.meta.url).searchParams.get('parent'));
// A true parent is also gone when we have another: its number may live on, as a zombie or in another process.
const isChild = process.ppid === parent;

function isThere() {
  if (isChild) return process.ppid === parent;
  try {
    process.kill(parent, 0);
    return true;
  } catch (error) {
    // EPERM: it is there and another user's.
    return error.code === 'EPERM';
  }
}

if (isMainThread) {
  const timer = setInterval(() => {
    if (!isThere()) process.kill(process.pid, 'SIGKILL');
  }, LOOK_MS);
  timer.unref();
}
