/** Runs a stack until it is told to end. Started by `stack up --detach`, to which it reports over the channel between them. */
import { createLogger } from '../../../pipelines/common/logger.ts';
import type { PartName } from './stack-state.ts';
import { startStack } from './start-stack.ts';
import { untilToldToEnd } from './until-told-to-end.ts';

/** What the supervisor tells whoever started it. */
export type Report =
  | { readonly kind: 'part'; readonly part: PartName; readonly tookMs: number }
  | { readonly kind: 'up' }
  | { readonly kind: 'failed'; readonly message: string };

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('supervise: no data directory is given');

const logger = createLogger({ level: 'info', format: 'json' });
const report = (message: Report) =>
  new Promise<void>((resolve) => {
    if (process.connected) process.send?.(message, undefined, {}, () => resolve());
    else resolve();
  });

// The terminal may go.
process.on('SIGHUP', () => {});
// But whoever ordered a stack and gave up waiting for it is not to be left with one.
const giveUp = () => process.exit(1);
process.once('disconnect', giveUp);

try {
  const stack = await startStack({
    dataDir,
    logger,
    role: 'command',
    onReady: (part, tookMs) => void report({ kind: 'part', part, tookMs }),
  });
  process.removeListener('disconnect', giveUp);
  logger.info({ pids: stack.pids }, 'up');
  const told = untilToldToEnd(['SIGINT', 'SIGTERM']);
  await report({ kind: 'up' });
  if (process.connected) process.disconnect();
  logger.info({ signal: await told }, 'stopping');
  await stack.stop();
  logger.info('stopped');
  process.exit(0);
} catch (error) {
  logger.error({ err: error }, 'did not start');
  await report({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}
