/** ClickHouse as a part of the local stack. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { createClient } from '@clickhouse/client';
import type { PartSpec } from '../supervisor/part.ts';

export interface ClickHousePartOptions {
  readonly dataDir: string;
  readonly logFile: string;
  readonly port: number;
}

const MAIN = fileURLToPath(new URL('../clickhouse/main.ts', import.meta.url));

export function clickHousePart({ dataDir, logFile, port }: ClickHousePartOptions): PartSpec {
  return {
    name: 'clickhouse',
    logFile,
    readyTimeoutMs: 120_000,
    stopTimeoutMs: 20_000,
    command: () => ({
      file: process.execPath,
      args: [MAIN, '--data', dataDir, '--port', String(port), '--exit-with-stdin'],
      endsWithStdin: true,
    }),
    probe: (signal) => probeClickHouse(`http://127.0.0.1:${port}`, signal),
  };
}

/** Ready means: a row was written to disk and read back. */
async function probeClickHouse(url: string, signal: AbortSignal): Promise<void> {
  const client = createClient({ url, request_timeout: 30_000, log: { level: 127 } });
  const table = `default.stack_probe_${randomUUID().replaceAll('-', '')}`;
  try {
    await client.command({
      query: `CREATE TABLE ${table} (n UInt64) ENGINE = MergeTree ORDER BY n`,
      abort_signal: signal,
    });
    try {
      await client.command({ query: `INSERT INTO ${table} VALUES (1)`, abort_signal: signal });
      const rows = await client.query({
        query: `SELECT n FROM ${table}`,
        format: 'JSON',
        abort_signal: signal,
      });
      const { data } = await rows.json<{ n: string }>();
      if (data.length !== 1) throw new Error(`of 1 row written ${data.length} came back`);
    } finally {
      await client.command({ query: `DROP TABLE IF EXISTS ${table} SYNC` });
    }
  } finally {
    await client.close();
  }
}
