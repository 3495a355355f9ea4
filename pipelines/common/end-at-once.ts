/** The end of a process that waits for nobody. */

/**
 * `process.exit` waits for the pool's threads, and so for whatever the Kafka client asks in them of a cluster that does
 * not answer: half a minute, in which neither a signal nor a timer is heard. Only another program in this one's place
 * (execve(2) ends all threads) and SIGKILL do not wait, and the program can still say how it went. Nothing of this
 * process is heard of any more: no handler for its exit, nothing that is not written yet.
 */
export function endAtOnce(code: number): never {
  try {
    process.execve?.(process.execPath, [process.execPath, '--eval', `process.exitCode = ${code}`], {});
  } catch {
    // It says why on standard error where it can; the end must come all the same.
  }
  process.kill(process.pid, 'SIGKILL');
  throw new Error('SIGKILL was not enough');
}
