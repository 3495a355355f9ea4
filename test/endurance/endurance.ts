/** `npm run endurance`: what must stay bounded over millions of records and minutes of outage, on a local stack of its own. */
import { Command, InvalidArgumentError } from 'commander';
import type { PipelineName } from '../../config/schema.ts';
import { PART_NAMES } from '../../deploy/local/stack/stack-state.ts';
import { list, wholeNumber } from '../helpers/command-arguments.ts';
import { StackPlace } from '../helpers/stack-place.ts';
import { backlog } from './backlog.ts';
import type { Finding, Scenario, ScenarioOptions } from './finding.ts';
import { outage } from './outage.ts';
import { poison } from './poison.ts';
import { findingLine, isClean, reportJson, reportTable, type ScenarioReport } from './report.ts';
import { takeover } from './takeover.ts';

const SCENARIOS = { backlog, outage, poison, takeover } as const satisfies Record<string, Scenario>;

type ScenarioName = keyof typeof SCENARIOS;

interface Flags extends Omit<ScenarioOptions, 'stack' | 'say' | 'found'> {
  readonly only: readonly ScenarioName[];
  readonly data?: string;
}

const PIPELINES: readonly PipelineName[] = ['tracking', 'archive', 'profiles'];

const names = Object.keys(SCENARIOS) as ScenarioName[];

const program = new Command('endurance')
  .description(
    'Shows that memory, delays and take-overs stay within their bounds; docs/reliability.md says what and why.',
  )
  .option('--only <names>', `only these: ${names.join(',')}`, oneOf(names), names)
  .option('--events <n>', 'records of the backlog of each pipeline', wholeNumber, 10_000_000)
  .option('--pipelines <names>', `whose backlog: ${PIPELINES.join(',')}`, oneOf(PIPELINES), PIPELINES)
  .option('--minutes <n>', 'how long each outage lasts', minutes, 10)
  .option('--parts <names>', `what goes away: ${PART_NAMES.join(',')}`, oneOf(PART_NAMES), PART_NAMES)
  .option('--burst <n>', 'bad records in a burst', wholeNumber, 500_000)
  .option('--seed <n>', 'decides what is produced', wholeNumber, 1)
  .option('--data <dir>', 'keep the stack here')
  .action(endurance);

async function endurance({ only, data, ...sizes }: Flags): Promise<void> {
  // Measured is what config/default.yaml says, whatever this terminal is set up for.
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('CAMPAIGN_LEDGER_')) delete process.env[name];
  }
  await using place = await StackPlace.open({
    program: 'endurance',
    data: data ?? null,
    restarts: false,
    say,
    // Processes that a scenario started end with this one.
    killUsers: () => {},
  });
  const reports: ScenarioReport[] = [];
  for (const scenario of only) {
    say(`\n== ${scenario}`);
    const findings: Finding[] = [];
    const begun = performance.now();
    const found = (finding: Finding) => {
      findings.push(finding);
      say(findingLine(finding));
    };
    const failure = await SCENARIOS[scenario]({ ...sizes, stack: place.stack, say, found }).then(
      () => null,
      messageOf,
    );
    if (failure !== null) say(`   failed: ${failure}`);
    const seconds = Math.round((performance.now() - begun) / 1_000);
    reports.push({ scenario, seconds, findings, failure });
  }
  say(reportTable(reports));
  process.stdout.write(`${JSON.stringify(reportJson(reports, sizes))}\n`);
  if (!isClean(reports)) process.exitCode = 1;
}

/** What failed first, not what failed while everything was being put away because of it. */
function messageOf(error: unknown): string {
  const cause: unknown = error instanceof SuppressedError ? error.suppressed : error;
  return cause instanceof Error ? cause.message : String(cause);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function minutes(text: string): number {
  if (!/^\d{1,4}(\.\d+)?$/.test(text) || Number(text) === 0)
    throw new InvalidArgumentError('must be a number of minutes above 0.');
  return Number(text);
}

function oneOf<Name extends string>(known: readonly Name[]): (text: string) => readonly Name[] {
  return (text) =>
    list(text).map((asked) => {
      const name = known.find((one) => one === asked);
      if (name === undefined) throw new InvalidArgumentError(`'${asked}' is none of ${known.join(', ')}.`);
      return name;
    });
}

try {
  await program.parseAsync();
} catch (error) {
  say(`endurance: ${messageOf(error)}`);
  process.exitCode = 1;
}
// A scenario that failed may have left clients of services that are gone: they would wait for ever.
process.exit();
