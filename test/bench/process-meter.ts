/** CPU time and memory of a process as the kernel counts them. (proc(5)) */
import { readFileSync } from 'node:fs';

/** Linux tells CPU time in hundredths of a second, whatever its own clock. */
const TICKS_PER_SECOND = 100;

/** Seconds of all threads, in the program and in the kernel on its behalf. @throws when the process is gone */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the program's name in brackets, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The most memory that the process ever had resident, in MiB; null while it is ending. @throws when it is gone */
export function peakRssMb(pid: number): number | null {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return match === null ? null : Number(match[1]) / 1024;
}
