/** `node deploy/local/registry/main.ts --data DIR --port P`: a schema registry for one machine. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { watchStandardInput } from '../clickhouse/parent.ts';
import { startRegistry } from './server.ts';

interface Flags {
  readonly data: string;
  readonly host: string;
  readonly port: string;
  readonly exitWithStdin?: true;
}

const flags = new Command('registry')
  .description('The Confluent schema registry interface for Avro schemas, kept in one directory.')
  .requiredOption('--data <dir>', 'data directory; made when missing')
  .option('--host <address>', 'address to listen on', '127.0.0.1')
  .option('--port <port>', 'port to listen on; 0 takes a free one', '0')
  .option('--exit-with-stdin', 'end when standard input ends')
  .parse()
  .opts<Flags>();

/** In the environment, where it does not show in the list of processes; without it no login is asked for. */
const login = process.env.REGISTRY_LOGIN?.split(/:(.*)/s);

const registry = await startRegistry({
  dataDir: resolve(flags.data),
  host: flags.host,
  port: Number(flags.port),
  credentials: login === undefined ? undefined : { username: login[0] ?? '', password: login[1] ?? '' },
});
process.stdout.write(`${JSON.stringify({ listening: registry.url })}\n`);

const stop = async () => {
  await registry.close();
  process.exit(0);
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
if (flags.exitWithStdin) watchStandardInput(() => void stop());
