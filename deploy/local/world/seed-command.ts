/** `stack seed`: fills the configured topics with the example world. */
import { type Command, InvalidArgumentError } from 'commander';
import { withConfig } from '../../../pipelines/command-context.ts';
import { parseDayArgument } from '../../../pipelines/report/time-argument.ts';

/** The world's last day when none is given: fixed, so that a seed alone decides every byte. */
export const DEFAULT_UNTIL = '2026-10-01';

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Give a whole number of at most nine digits.');
  return Number(text);
}

interface SeedOptions {
  readonly events: number;
  readonly seed: number;
  readonly malformed: number;
  readonly until: string;
}

/** `stack` is the command group that `seed` joins. */
export function registerSeedCommand(stack: Command): void {
  stack
    .command('seed')
    .description(
      'produce an example world: two companies, twelve campaigns, sixty days; the same for the same seed',
    )
    .option('--events <n>', 'about so many delivery and feedback events', wholeNumber, 150_000)
    .option('--seed <s>', 'decides everything that is drawn', wholeNumber, 1)
    .option('--malformed <n>', 'payloads that belong among the dead letters', wholeNumber, 50)
    .option('--until <day>', 'the last day of the sixty, exclusive (UTC)', DEFAULT_UNTIL)
    .action(
      withConfig(async ({ config, logger }, options: SeedOptions) => {
        const until = parseDayArgument('--until', options.until);
        const { produceWorld } = await import('./produce-world.ts');
        const ledger = await produceWorld({
          config,
          seed: options.seed,
          events: options.events,
          malformed: options.malformed,
          until,
          onProgress: (sent) => logger.debug({ sent }, 'seeding'),
        });
        process.stdout.write(
          `${JSON.stringify({ seed: options.seed, until: options.until, topics: ledger.topics }, null, 2)}\n`,
        );
      }),
    );
}
