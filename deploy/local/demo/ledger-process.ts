/** Runs the command `campaign-ledger` as a process of its own, as a person would. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../../pipelines/main.ts', import.meta.url));

export function spawnLedger(
  args: readonly string[],
  {
    stdio,
    env = {},
  }: { readonly stdio: 'inherit' | 'ignore' | 'pipe'; readonly env?: Readonly<Record<string, string>> },
): ChildProcess {
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    stdio: ['ignore', stdio, stdio],
    env: { ...process.env, ...env },
  });
}

/** @returns the exit code @throws {Error} when the command fails, unless it may */
export async function ledger(
  args: readonly string[],
  { quiet = false, mayFail = false }: { readonly quiet?: boolean; readonly mayFail?: boolean } = {},
): Promise<number | null> {
  const child = spawnLedger(args, { stdio: quiet ? 'ignore' : 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0 && !mayFail) throw new Error(`campaign-ledger ${args.join(' ')} ended with ${code}`);
  return code;
}
