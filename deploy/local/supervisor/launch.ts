/** Starts a child that cannot outlive this process, however this process ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** Added to this process's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** True when the program ends by itself as soon as its standard input does. */
  readonly endsWithStdin: boolean;
}

/**
 * Two ties, because either alone can fail. Where util-linux has setpriv, the kernel kills the child the moment its
 * parent is gone (PR_SET_PDEATHSIG). And the child's standard input is a pipe that only this process holds: programs
 * of ours end when it does; another program gets a guard in front that kills it then, unless the kernel does it.
 *
 * The child leads a process group of its own: Ctrl-C at the terminal reaches the supervisor alone, which then stops
 * its children in good order, and a signal for the group reaches whatever the child has started in turn.
 */
export function launch(command: Command, { logDescriptor }: { logDescriptor: number }): ChildProcess {
  const setpriv = findSetpriv();
  const { file, args } =
    setpriv !== null ? killedByKernel(setpriv, command) : command.endsWithStdin ? command : guarded(command);
  return spawn(file, args, {
    stdio: ['pipe', logDescriptor, logDescriptor],
    env: { ...process.env, ...command.env },
    detached: true,
  });
}

/** A parent that dies before the tie is made leaves a child without one: so the child looks who its parent is first. */
const ONLY_UNDER_PARENT = '[ "$PPID" = "$0" ] && exec "$@"';

function killedByKernel(setpriv: string, { file, args }: Command) {
  const shell = ['sh', '-c', ONLY_UNDER_PARENT, String(process.pid)];
  return { file: setpriv, args: ['--pdeathsig', 'KILL', ...shell, file, ...args] };
}

function guarded({ file, args }: Command) {
  return {
    file: process.execPath,
    args: [fileURLToPath(new URL('guard.ts', import.meta.url)), file, ...args],
  };
}

let setprivPath: string | null | undefined;

function findSetpriv(): string | null {
  setprivPath ??=
    process.platform === 'linux'
      ? (`${process.env.PATH ?? ''}${delimiter}/usr/bin`
          .split(delimiter)
          .map((folder) => join(folder, 'setpriv'))
          .find((path) => existsSync(path)) ?? null)
      : null;
  return setprivPath;
}

/** Those that no program can answer to go to whatever the child has started as well; the others are the child's affair. */
const FOR_THE_GROUP: ReadonlySet<NodeJS.Signals> = new Set(['SIGKILL', 'SIGSTOP', 'SIGCONT']);

/** Nothing happens when it is gone already. */
export function signalChild(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(FOR_THE_GROUP.has(signal) ? -pid : pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
