/** The cold tier's files as pyarrow reads them, and with it pandas and much else. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CAMPAIGNS, type ColdValue, EVENTS, PROFILE_CHANGES } from '../../../pipelines/cold/cold-table.ts';
import { hasPython, python, titled } from '../../helpers/clients.ts';
import { parquetOf, sortedRows, type WrittenFile } from '../../helpers/cold-rows.ts';

const script = fileURLToPath(new URL('../../helpers/read-parquet.py', import.meta.url));

/** As the script prints it. */
function plain(value: ColdValue): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value).replace('Infinity', 'inf');
  return value;
}

describe.skipIf(!hasPython)(titled('pyarrow', hasPython), () => {
  it.each([EVENTS, PROFILE_CHANGES, CAMPAIGNS].map((table) => [table.name, table] as const))(
    'reads every value of %s',
    (_name, table) => {
      const folder = mkdtempSync(join(tmpdir(), 'ledger-pyarrow-'));
      try {
        const [rows = []] = fc.sample(sortedRows(table, { minLength: 500, maxLength: 500 }), {
          numRuns: 1,
          seed: 11,
        });
        const path = join(folder, 'rows.parquet');
        writeFileSync(path, (parquetOf(table, rows, 64) as WrittenFile).bytes);
        const { stdout, stderr, status } = spawnSync(python, [script, path], {
          encoding: 'utf8',
          maxBuffer: 64 * 1024 * 1024,
        });
        expect(status, stderr).toBe(0);
        const found = stdout
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as unknown[]);
        const isInstant = table.columns.map(({ kind }) => kind === 'instant');
        const wanted = rows.map((row) =>
          row.map((value, index) =>
            isInstant[index] === true && value !== null ? String(value) : plain(value),
          ),
        );
        expect(found).toEqual(wanted);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
