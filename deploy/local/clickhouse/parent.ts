/** Two ways to notice that whoever started this process is gone, however it went. */

const INTERVAL_MS = 200;

/** Calls `gone` once, when the process does not exist any more. */
export function watchParent(pid: number, gone: () => void): void {
  // A true parent is also gone when we have another: its number may live on, as a zombie or in another process.
  const isParent = process.ppid === pid;
  const timer = setInterval(() => {
    if (isParent ? process.ppid === pid : exists(pid)) return;
    clearInterval(timer);
    gone();
  }, INTERVAL_MS);
  timer.unref();
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there and another user's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Calls `gone` once, when standard input ends: the kernel closes a pipe whose writer was killed. */
export function watchStandardInput(gone: () => void): void {
  process.stdin.on('end', gone);
  process.stdin.on('error', gone);
  process.stdin.resume();
}
