/** The main job on the local stack, from nothing to a user's report: what a newcomer sees first. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { loadConfig } from '../../../config/load.ts';
import { EXIT, type ExitCode, withExitCode } from '../../../pipelines/command-context.ts';
import { createClickHouse } from '../../../pipelines/common/clickhouse/client.ts';
import { colors } from '../../../pipelines/common/colors.ts';
import { UsageError } from '../../../pipelines/common/errors.ts';
import { createAdmin } from '../../../pipelines/common/kafka/admin.ts';
import { progressBar } from '../../../pipelines/common/progress-bar.ts';
import { produceWorld } from '../world/produce-world.ts';
import { DEFAULT_UNTIL } from '../world/seed-command.ts';
import { campaignTable, compareCampaigns, readCampaignResults } from './campaign-results.ts';
import { catchUp } from './catch-up.ts';
import { ledger } from './ledger-process.ts';
import { reconcile, reconciliationTable } from './reconcile.ts';

interface DemoOptions {
  readonly data: string;
  readonly events: string;
  readonly seed: string;
  readonly keep?: true;
}

const MALFORMED = 50;

function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

function heading(text: string): void {
  say(`\n${colors.bold(text)}`);
}

async function runDemo(options: DemoOptions): Promise<ExitCode> {
  const dataDir = resolve(options.data);
  const configFile = join(dataDir, 'config.yaml');
  const withConfig = ['--config', configFile] as const;
  const begun = performance.now();

  await clearDataDir(dataDir);
  const takeDown = () => ledger(['stack', 'down', '--data', dataDir], { quiet: true, mayFail: true });
  const onSignal = (signal: NodeJS.Signals): void => {
    process.stderr.write(`\n${signal}: taking the stack down\n`);
    void takeDown().then(() => process.exit(EXIT.failed));
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);

  heading('1. Local stack: Kafka, ClickHouse, Azure Blob (Azurite), schema registry');
  await ledger(['stack', 'up', '--data', dataDir, '--detach']);
  let shown: Shown;
  try {
    shown = await showMainJob({ options, configFile, withConfig });
  } catch (error) {
    await takeDown();
    throw error;
  }
  if (options.keep !== true) await takeDown();

  const run = 'npm run -s ledger --';
  heading('Try next');
  if (options.keep !== true)
    say(`  ${run} stack up --data ${dataDir} --detach     starts the stack again, on the same data`);
  say(
    `  ${run} report user --tenant ${shown.tenant} --user ${shown.user} --config ${configFile}     the same report as JSON`,
  );
  say(`  ${run} stack down --data ${dataDir}     when you have seen enough`);
  say(`\n${colors.dim(`${Math.round((performance.now() - begun) / 1000)} s`)}`);
  if (shown.isBalanced) return EXIT.ok;
  say(colors.red('The books do not balance.'));
  return EXIT.discrepancy;
}

/** Wipes what an earlier demo left, also one that was kept running; never a folder that is anything else. */
async function clearDataDir(dataDir: string): Promise<void> {
  const entries: string[] = await readdir(dataDir).catch(() => []);
  const isStack = ['config.yaml', 'kafka', 'clickhouse', 'registry'].every((name) => entries.includes(name));
  if (entries.length > 0 && !isStack) {
    throw new UsageError(
      `--data: ${dataDir} holds something that no local stack made; name a new or empty folder`,
    );
  }
  if (entries.length > 0) await ledger(['stack', 'down', '--data', dataDir], { quiet: true, mayFail: true });
  await rm(dataDir, { recursive: true, force: true });
  await mkdir(dataDir, { recursive: true });
}

interface Shown {
  readonly isBalanced: boolean;
  /** Whose report was shown. */
  readonly tenant: string;
  readonly user: string;
}

interface MainJob {
  readonly options: DemoOptions;
  readonly configFile: string;
  readonly withConfig: readonly [string, string];
}

async function showMainJob({ options, configFile, withConfig }: MainJob): Promise<Shown> {
  heading('2. Topics, schemas, tables, container: migrate');
  await ledger(['migrate', ...withConfig]);
  const config = await loadConfig({ file: configFile });
  const admin = createAdmin(config);
  const clickhouse = createClickHouse(config);
  try {
    heading('3. A world of events: two companies, twelve campaigns, sixty days');
    const events = Number(options.events);
    const bar = progressBar('produced', events * 1.1);
    const books = await produceWorld({
      config,
      seed: Number(options.seed),
      events,
      malformed: MALFORMED,
      until: Date.parse(`${DEFAULT_UNTIL}T00:00:00Z`),
      onProgress: (sent) => bar.update(sent),
    });
    bar.finish();

    heading('4. The pipelines: tracking and profiles to ClickHouse, archive to Blob');
    await catchUp({ config, configFile, admin });

    heading('5. Do the books balance?');
    say(
      colors.dim(
        'Kafka: broker offsets. Archived: records read back from the blobs. Stored: SQL. Expected: the generator.',
      ),
    );
    const reconciliation = await reconcile({ config, admin, clickhouse, books });
    say(reconciliationTable(reconciliation));

    heading('6. What the campaigns achieved');
    const results = await readCampaignResults(clickhouse, config.clickhouse.biDatabase);
    const disagreements = compareCampaigns(results, books);
    say(campaignTable(results));
    for (const disagreement of disagreements) say(colors.red(disagreement));
    if (disagreements.length === 0) say(colors.dim('Every figure equals what the generator counted.'));

    const [tenant = '', user = ''] = (mostInterestingUser(books.lateProfiles) ?? '').split('/');
    heading(`7. One user, over all campaigns: ${tenant} / ${user}, with a profile change that came in late`);
    await ledger(['report', 'user', '--tenant', tenant, '--user', user, '--format', 'table', ...withConfig]);

    heading('8. Is it all there? Every record in Kafka, archive, ClickHouse and dead letters: verify --deep');
    const isClean = (await ledger(['verify', '--deep', ...withConfig], { mayFail: true })) === EXIT.ok;

    heading('9. Where things are');
    say(`  configuration  ${configFile}`);
    say(
      `  ClickHouse     ${config.clickhouse.url}   database ${config.clickhouse.database}, views for BI in ${config.clickhouse.biDatabase}`,
    );
    say(`  Blob           container ${config.blob.container}: raw/ (Avro segments), undecodable/, heads/`);
    say(`  Kafka          ${config.kafka.brokers.join(', ')}`);
    const isBalanced = reconciliation.every((row) => row.isBalanced) && disagreements.length === 0 && isClean;
    return { isBalanced, tenant, user };
  } finally {
    await clickhouse.close();
    admin.close();
  }
}

/** The user with the most late changes; of several the first by name, so that a seed always shows the same one. */
function mostInterestingUser(lateProfiles: ReadonlyMap<string, number>): string | undefined {
  return [...lateProfiles].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))[0]?.[0];
}

const program = new Command('demo')
  .description('Runs the main job on a local stack of its own and shows what came of it.')
  .option('--data <dir>', 'where the stack keeps its data; wiped at the start', '.data/demo')
  .option('--events <n>', 'about so many delivery and feedback events', '150000')
  .option('--seed <s>', 'decides the world', '1')
  .option('--keep', 'leave the stack running at the end')
  .action((options: DemoOptions) => withExitCode(() => runDemo(options)));

await program.parseAsync();
