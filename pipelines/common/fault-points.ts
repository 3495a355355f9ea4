/** Named points at which a test may kill or freeze the process. Without the environment variable nothing here acts. */

/**
 * Comma-separated `<point>[:<nth pass, from 1>]=SIGKILL|SIGSTOP`, for example `after-write:3=SIGKILL`. A point may be
 * narrowed to one pipeline: `archive/after-write=SIGSTOP`. Meant for tests of the process as a whole: what a crash at
 * this very instruction leaves behind. It is no configuration, and does not begin as that does.
 */
export const FAULT_POINTS_VARIABLE = 'LEDGER_FAULT_POINTS';

interface Fault {
  readonly point: string;
  readonly signal: 'SIGKILL' | 'SIGSTOP';
  passesLeft: number;
}

const faults = parseFaults(process.env[FAULT_POINTS_VARIABLE] ?? '');

/** Does nothing in production. @param pipeline narrows the point to one pipeline of the process */
export function faultPoint(point: string, pipeline: string): void {
  if (faults.length === 0) return;
  for (const fault of faults) {
    if (fault.point !== point && fault.point !== `${pipeline}/${point}`) continue;
    fault.passesLeft -= 1;
    if (fault.passesLeft !== 0) continue;
    // Written before the signal: a fault counts only when it can be shown that it bit.
    process.stderr.write(`fault point ${pipeline}/${point}: ${fault.signal}\n`);
    process.kill(process.pid, fault.signal);
  }
}

/** @throws {Error} when the variable is set but cannot be read: a fault that silently does not happen proves nothing */
export function parseFaults(text: string): Fault[] {
  return text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const match = /^([a-z0-9/-]+)(?::([1-9][0-9]*))?=(SIGKILL|SIGSTOP)$/.exec(part);
      if (match === null) throw new Error(`${FAULT_POINTS_VARIABLE}: cannot read '${part}'`);
      const [, point = '', pass = '1', signal] = match;
      return { point, signal: signal as Fault['signal'], passesLeft: Number(pass) };
    });
}
