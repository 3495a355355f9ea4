/** What clickhouse-connect, the official Python client, does against the front. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ClickHouseFront, temporaryDirectory } from '../../../helpers/clickhouse-front.ts';
import { hasPython, python, titled } from '../../../helpers/clients.ts';

const PROGRAM = `
import datetime, json, sys
import clickhouse_connect
port, compression = int(sys.argv[1]), json.loads(sys.argv[2])
client = clickhouse_connect.get_client(host='127.0.0.1', port=port, compress=compression)
client.command('DROP TABLE IF EXISTS t')
client.command("CREATE TABLE t (id UInt64, text String, at DateTime64(3, 'UTC'), tags Array(String), n Nullable(Int32), twice UInt64 MATERIALIZED id * 2) ENGINE = MergeTree ORDER BY id")
start = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
rows = [[i, f"it's row {i} ü\\t", start + datetime.timedelta(seconds=i), ['a', 'b'], None if i % 2 else i] for i in range(20000)]
client.insert('t', rows, column_names=['id', 'text', 'at', 'tags', 'n'])
client.raw_insert('t', ['id', 'text'], b'20000,"from a file"\\n', fmt='CSV')
text = "it's \\\\ a\\ttab ü"
try:
    client.query('SELECT * FROM nowhere')
    error = ''
except Exception as cause:
    error = str(cause)
with client.query_row_block_stream('SELECT number FROM numbers(1000000)') as blocks:
    streamed = sum(len(block) for block in blocks)
print(json.dumps({
    'rows': client.query('SELECT count(), sum(twice), countIf(n IS NULL), toString(max(at)) FROM t').result_rows[0],
    'parameter': client.query('SELECT {text:String}', parameters={'text': text}).result_rows[0][0] == text,
    'setting': client.query("SELECT getSetting('max_threads')", settings={'max_threads': 1}).result_rows[0][0],
    'streamed': streamed,
    'error': error,
}))
`;

describe.skipIf(!hasPython)(titled('clickhouse-connect', hasPython), () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let front: ClickHouseFront;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    front = await ClickHouseFront.start(directory.path, ['--log-level', 'fatal']);
  });

  afterAll(async () => {
    await front.end();
    await directory[Symbol.asyncDispose]();
  });

  test.each([false, true, 'lz4', 'zstd', 'gzip'])('with compression %j', async (compression) => {
    const { stdout } = await promisify(execFile)(python, [
      '-c',
      PROGRAM,
      new URL(front.url).port,
      JSON.stringify(compression),
    ]);
    const { error, ...results } = JSON.parse(stdout) as Record<string, unknown>;
    expect(results).toEqual({
      rows: [20_001, 400_020_000, 10_001, '2026-01-01 05:33:19.000'],
      parameter: true,
      setting: 1,
      streamed: 1_000_000,
    });
    expect(error).toMatch(/Code: 60\..*UNKNOWN_TABLE/s);
  });
});
