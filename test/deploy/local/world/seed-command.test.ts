import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { MINIMAL } from '../../../helpers/config.ts';
import { ledgerCommand } from '../../../helpers/pipeline-child.ts';

test('a last day that the calendar does not have is refused before anything is produced', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'seed-command-'));
  const configFile = join(folder, 'config.yaml');
  await writeFile(configFile, stringify(MINIMAL));
  const seed = ['stack', 'seed', '--until', '2026-02-31', '--config', configFile];
  const { exitCode, stderr } = await ledgerCommand(seed).finally(() => rm(folder, { recursive: true }));
  expect(stderr).toBe('campaign-ledger: --until: "2026-02-31" is not a date of the calendar');
  expect(exitCode).toBe(2);
});
