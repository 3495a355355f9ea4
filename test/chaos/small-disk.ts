/** A file system of its own for one part, small enough to be filled: tmpfs, where the machine lets us mount one. */
import { execFile } from 'node:child_process';
import { cp, mkdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface SmallDisk {
  /** Leaves no byte free. */
  fill(): Promise<void>;
  /** Takes away what `fill` has put there. */
  empty(): Promise<void>;
  unmount(): Promise<void>;
  /** Unmounts, and leaves a copy of what was on it in its place. */
  keep(): Promise<void>;
}

/** @returns null where it is not allowed, or not Linux */
export async function tryMount(
  folder: string,
  { mebibytes }: { mebibytes: number },
): Promise<SmallDisk | null> {
  await mkdir(folder, { recursive: true });
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=700`, 'campaign-ledger-chaos', folder]);
  } catch {
    return null;
  }
  const filler = join(folder, 'filler');
  const unmount = async () => {
    await run('umount', [folder]);
  };
  const empty = () => rm(filler, { force: true });
  return {
    empty,
    unmount,
    async fill() {
      const { bavail, bsize } = await statfs(folder);
      // Allocates, as ftruncate would not.
      await run('fallocate', ['--length', String(bavail * bsize), filler]);
    },
    async keep() {
      await empty();
      const copy = `${folder}.kept`;
      await cp(folder, copy, { recursive: true });
      await unmount();
      await rm(folder, { recursive: true, force: true });
      await rename(copy, folder);
    },
  };
}
