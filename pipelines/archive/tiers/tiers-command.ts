/** `archive tiers` and `archive rehydrate`: cheaper access tiers as blobs age, and the way back. */
import { type Command, Option } from 'commander';
import { topicNames } from '../../../config/topics.ts';
import { type CommandContext, EXIT, type ExitCode, withConfig } from '../../command-context.ts';
import { UsageError } from '../../common/errors.ts';
import type { ArchivePlace } from '../listing.ts';
import type { RehydrateOptions } from './rehydrate.ts';
import { hasRules, TIERED_KINDS, type TieredBlob } from './tier-rules.ts';

/** Attempts after the first, through an outage. */
const RETRIES = 5;
/** Of one request. */
const TRIES = 4;

interface TiersOptions {
  readonly plan?: true;
  readonly policy?: true;
  readonly status?: true;
  readonly json?: true;
}

interface RehydrateCommandOptions {
  readonly priority: RehydrateOptions['priority'];
  readonly to: 'hot' | 'cool' | 'cold';
  readonly json?: true;
}

export function registerTierCommands(archive: Command): void {
  archive
    .command('tiers')
    .description('move blobs to the access tiers that are due by accessTiers in the configuration')
    .addOption(new Option('--plan', 'print what would move; changes nothing').conflicts(['policy', 'status']))
    .addOption(
      new Option('--policy', 'print the same rules as a lifecycle policy for the account').conflicts([
        'plan',
        'status',
        'json',
      ]),
    )
    .addOption(
      new Option('--status', 'print what is in which tier, and what is on its way back').conflicts(['plan']),
    )
    .option('--json', 'the result as one JSON object')
    .action(withConfig(tiers));

  archive
    .command('rehydrate')
    .description('bring blobs back from the archive tier; says when to come back')
    .argument('<what...>', 'paths of blobs, folders ending in /, or topics')
    .addOption(
      new Option(
        '--priority <priority>',
        'how soon: standard, up to 15 hours; high, mostly below one, dearer',
      )
        .choices(['standard', 'high'])
        .default('standard'),
    )
    .addOption(
      new Option('--to <tier>', 'the tier to bring them to').choices(['hot', 'cool', 'cold']).default('hot'),
    )
    .option('--json', 'the result as one JSON object')
    .action(withConfig(rehydrate));
}

async function tiers(
  context: CommandContext,
  { plan, policy, status, json }: TiersOptions,
): Promise<ExitCode> {
  const { config, clock } = context;
  if (policy) {
    await printPolicy(context);
    return EXIT.ok;
  }
  const [{ moveTiers }, { reportText }, place, retry] = await Promise.all([
    import('./move-tiers.ts'),
    import('./tiers-text.ts'),
    placeOf(context),
    retryOf(context),
  ]);
  const none = { coolAfterDays: null, coldAfterDays: null, archiveAfterDays: null };
  const rules = status ? { raw: none, tracking: none } : config.accessTiers;
  if (!status && TIERED_KINDS.every((kind) => !hasRules(rules[kind])))
    note('accessTiers names no tier: nothing is due');
  const isApplied = plan === undefined && status === undefined;
  const report = await moveTiers({ ...place, rules, isApplied, now: clock.now(), retry });
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else if (isApplied) process.stderr.write(reportText(report));
  else process.stdout.write(reportText(report));
  return report.refused.blobs > 0 ? EXIT.failed : EXIT.ok;
}

async function printPolicy({ config }: CommandContext): Promise<void> {
  const { lifecyclePolicy } = await import('./tier-policy.ts');
  process.stdout.write(`${JSON.stringify(lifecyclePolicy(config), null, 2)}\n`);
  note('an account has one policy: put these rules among those that it has');
  if (config.accessTiers.tracking.archiveAfterDays !== null)
    note(
      'accessTiers.tracking.archiveAfterDays is left out: a policy would take the lists offline that every report begins with; `campaign-ledger archive tiers` moves the Parquet files alone',
    );
}

async function rehydrate(
  context: CommandContext,
  what: readonly string[],
  { priority, to, json }: RehydrateCommandOptions,
): Promise<ExitCode> {
  const [{ startRehydration }, { rehydrationText }, place, retry] = await Promise.all([
    import('./rehydrate.ts'),
    import('./tiers-text.ts'),
    placeOf(context),
    retryOf(context),
  ]);
  const tier = ({ hot: 'Hot', cool: 'Cool', cold: 'Cold' } as const)[to];
  const paths = await pathsOf(place, context, what);
  const result = await retry(() => startRehydration(place, paths, { priority, tier }));
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(rehydrationText(result, { priority, now: context.clock.now() }));
  return result.missing.length > 0 ? EXIT.failed : EXIT.ok;
}

/** Blobs of topics and folders that are in the archive tier, and those named by their paths, whatever they are in. */
async function pathsOf(
  place: ArchivePlace,
  { config }: CommandContext,
  what: readonly string[],
): Promise<string[]> {
  const [{ listUnder }, { segmentFolders }] = await Promise.all([
    import('./list-tiered.ts'),
    import('../segment-path.ts'),
  ]);
  const topics: readonly string[] = Object.values(topicNames(config));
  const paths: string[] = [];
  for (const one of what) {
    const path = one.startsWith(place.prefix) ? one.slice(place.prefix.length) : one;
    const folders = topics.includes(one) ? segmentFolders(one) : path.endsWith('/') ? [path] : null;
    if (folders === null) {
      paths.push(path);
      continue;
    }
    let blobs = 0;
    for (const folder of folders) {
      for await (const blob of listUnder(place, folder)) {
        blobs += 1;
        if (isOffline(blob)) paths.push(blob.path);
      }
    }
    if (blobs === 0) throw new UsageError(`there is no blob under ${folders.join(' or ')}`);
  }
  return [...new Set(paths)];
}

const isOffline = ({ tier }: TieredBlob) => tier === 'Archive';

async function placeOf({ config }: CommandContext): Promise<ArchivePlace> {
  const { createContainer } = await import('../../common/blob/container.ts');
  // Listing takes thousands of requests, and what else is asked may be asked twice.
  return { container: createContainer(config, { maxTries: TRIES }), prefix: config.blob.prefix };
}

async function retryOf({ config, logger }: CommandContext) {
  const { retryOutage } = await import('../../common/retry.ts');
  const options = { retry: config.retry, retries: RETRIES, logger, what: 'access tiers' };
  return <T>(ask: () => Promise<T>): Promise<T> => retryOutage(ask, options);
}

function note(text: string): void {
  process.stderr.write(`campaign-ledger: ${text}\n`);
}
