/** A file system of its own for one part, small enough to be filled: tmpfs, where the machine lets us mount one. */
import { execFile } from 'node:child_process';
import { cp, type FileHandle, lstat, mkdir, open, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface SmallDisk {
  /** @param leaveBytes free; to the last byte when it is nought */
  fill(options: { leaveBytes: number }): Promise<void>;
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
    async fill({ leaveBytes }) {
      await using file = await open(filler, 'w');
      if (leaveBytes > 0) return await writeUntil(file, async () => (await freeBytes(folder)) <= leaveBytes);
      // Ever smaller pieces: others write meanwhile, and what is left over must not be enough for anybody.
      for (let size = 1024 * 1024; size >= 512; size /= 2) await writeUntilFull(file, Buffer.alloc(size));
    },
    async keep() {
      await empty();
      const copy = `${folder}.kept`;
      // Pipes of processes that are gone cannot be copied, and say nothing.
      await cp(folder, copy, { recursive: true, filter: async (path) => !(await lstat(path)).isFIFO() });
      await unmount();
      await rm(folder, { recursive: true, force: true });
      await rename(copy, folder);
    },
  };
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

async function writeUntil(file: FileHandle, isEnough: () => Promise<boolean>): Promise<void> {
  while (!(await isEnough())) await file.write(Buffer.alloc(4 * 1024 * 1024));
}

async function writeUntilFull(file: FileHandle, piece: Buffer): Promise<void> {
  try {
    for (;;) await file.write(piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
