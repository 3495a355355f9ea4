/** The directory that a stack keeps everything in. */
import { accessSync, constants, mkdirSync } from 'node:fs';
import { UsageError } from '../../../pipelines/common/errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: 'it is a file, and not a directory',
  ENOTDIR: 'something above it is a file, and not a directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'it lies on a file system that is read-only',
};

/**
 * Makes it where it is missing, for its owner alone.
 * @throws {UsageError} it cannot be made or written to
 */
export function makeDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    accessSync(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new UsageError(`the stack cannot keep its data in ${dataDir}: ${REASONS[code] ?? message}`, {
      cause: error,
    });
  }
}
