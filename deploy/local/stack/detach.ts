/** Starts a stack in a process that goes on after this one has ended. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeDataDir } from './data-dir.ts';
import type { PartName } from './stack-state.ts';
import type { Report } from './supervise.ts';

const SUPERVISE = fileURLToPath(new URL('supervise.ts', import.meta.url));

export interface DetachOptions {
  readonly dataDir: string;
  readonly onReady: (part: PartName, tookMs: number) => void;
}

/** Resolves when the stack is up. @throws {Error} with the reason when it does not come up */
export async function startDetached({ dataDir, onReady }: DetachOptions): Promise<void> {
  makeDataDir(dataDir);
  const logs = join(dataDir, 'logs');
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  const logFile = join(logs, 'supervisor.log');
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', SUPERVISE, dataDir], {
    // A session of its own: the terminal's end is none of its business.
    detached: true,
    cwd: '/',
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  await new Promise<void>((resolve, reject) => {
    child.on('message', (report: Report) => {
      if (report.kind === 'part') onReady(report.part, report.tookMs);
      else if (report.kind === 'up') resolve();
      else reject(new Error(report.message));
    });
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`the supervisor ended (${signal ?? code}) before the stack was up; see ${logFile}`)),
    );
  });
  child.removeAllListeners('exit');
  if (child.connected) child.disconnect();
  child.unref();
}
