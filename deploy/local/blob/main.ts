/** `node deploy/local/blob/main.ts --data DIR --port P`: Azure Blob storage for one machine. */
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { createLogger } from '../../../pipelines/common/logger.ts';
import { watchStandardInput } from '../clickhouse/parent.ts';
import { createAzurite } from './azurite.ts';

interface Flags {
  readonly data: string;
  readonly host: string;
  readonly port: string;
  readonly exitWithStdin?: true;
}

/** `name:key`; in the environment, where it does not show in the list of processes. */
export const ACCOUNT_VARIABLE = 'BLOB_ACCOUNT';

const flags = new Command('blob')
  .description("Azure Blob storage's interface (Azurite) on one data directory.")
  .requiredOption('--data <dir>', 'data directory; made when missing')
  .option('--host <address>', 'address to listen on', '127.0.0.1')
  .option('--port <port>', 'port to listen on; 0 takes a free one', '0')
  .option('--exit-with-stdin', 'end when standard input ends')
  .parse()
  .opts<Flags>();

const logger = createLogger({ level: 'info', format: 'json' });
const [name = '', key = ''] = (process.env[ACCOUNT_VARIABLE] ?? '').split(':');
if (name === '' || key === '') {
  logger.fatal(`${ACCOUNT_VARIABLE} must hold the account as name:key`);
  process.exit(2);
}

const dataDir = resolve(flags.data);
await mkdir(dataDir, { recursive: true, mode: 0o700 });
const azurite = await createAzurite({
  dataDir,
  host: flags.host,
  port: Number(flags.port),
  account: { name, key },
});
await azurite.start();
process.stdout.write(`${JSON.stringify({ listening: azurite.getHttpServerAddress() })}\n`);

let isStopping = false;
const stop = async () => {
  if (isStopping) process.exit(1);
  isStopping = true;
  await azurite.close();
  process.exit(0);
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
if (flags.exitWithStdin) watchStandardInput(() => void stop());
