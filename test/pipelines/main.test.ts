/** The command as a process: what it prints where, and how it ends. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../config/load.ts';
import { createProgram, SUBCOMMANDS } from '../../pipelines/main.ts';

const MAIN = new URL('../../pipelines/main.ts', import.meta.url).pathname;
const VALID = `
kafka: { brokers: ['127.0.0.1:9092'] }
schemaRegistry: { url: 'http://127.0.0.1:8081', username: reader, password: hunter2 }
clickhouse: { url: 'http://127.0.0.1:8123' }
blob: { connectionString: 'UseDevelopmentStorage=true' }
`;

let folder: string;
let valid: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ledger-main-'));
  valid = join(folder, 'valid.yaml');
  await writeFile(valid, VALID);
});
afterAll(() => rm(folder, { recursive: true }));

function ledger(args: readonly string[], env: Record<string, string> = {}) {
  return execa(process.execPath, [MAIN, ...args], { reject: false, env });
}

describe('usage', () => {
  test('--help names every subcommand on standard output', async () => {
    const { stdout, stderr, exitCode } = await ledger(['--help']);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    for (const { name } of SUBCOMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  test.each([
    [['cofnig'], /unknown command 'cofnig'\n\(Did you mean config\?\)/],
    [['--verbose'], /unknown option '--verbose'/],
    [['config', 'validate', '--prnt'], /unknown option '--prnt'\n\(Did you mean --print\?\)/],
    [['config', 'validate', '--config'], /option '--config <file>' argument missing/],
    [[], /^Usage: campaign-ledger/],
  ])('%j is wrong usage', async (args, expected) => {
    const { stdout, stderr, exitCode } = await ledger(args);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 2 });
    expect(stderr).toMatch(expected);
  });

  test('the short description of each subcommand is its own', async () => {
    for (const { name, description } of SUBCOMMANDS) {
      const program = await createProgram([name]);
      const own = program.commands.find((command) => command.name() === name);
      expect(own?.description()).toBe(description);
      expect(own?.commands.length === 0 && !hasAction(own)).toBe(false);
    }
  });
});

describe('config validate', () => {
  test.each([
    [['config', 'validate', '--config', 'FILE']],
    [['--config', 'FILE', 'config', 'validate']],
    [['config', '--config=FILE', 'validate']],
  ])('%j', async (args) => {
    const { stdout, stderr, exitCode } = await ledger(
      args.map((argument) => argument.replace('FILE', valid)),
    );
    expect({ stdout, stderr, exitCode }).toEqual({
      stdout: 'configuration is valid',
      stderr: '',
      exitCode: 0,
    });
  });

  test('--print shows every key and no secret, as a file that can be read back', async () => {
    const { stdout } = await ledger(['config', 'validate', '--print', '--config', valid], {
      CAMPAIGN_LEDGER_LOG_LEVEL: 'warn',
    });
    const [first, ...rest] = stdout.split('\n');
    expect(first).toBe('configuration is valid');
    expect(stdout).not.toMatch(/hunter2|UseDevelopmentStorage/);
    const printed = parse(rest.join('\n'));
    expect(printed.schemaRegistry).toMatchObject({ username: 'reader', password: '[secret]' });
    expect(printed.log.level).toBe('warn');
    const config = await loadConfig({ env: {}, overrides: printed });
    expect(config.kafka.brokers).toEqual(['127.0.0.1:9092']);
  });

  test('faults come on standard error, one a line, and the exit code is 2', async () => {
    const file = join(folder, 'faulty.yaml');
    await writeFile(
      file,
      VALID.replace('brokers', 'broker').replace('UseDevelopmentStorage', 'EndpointSuffix'),
    );
    const { stdout, stderr, exitCode } = await ledger(['config', 'validate', '--config', file]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 2 });
    expect(stderr.split('\n')).toHaveLength(5);
    expect(stderr).toMatch(/^campaign-ledger: the configuration has 4 faults:$/m);
    expect(stderr).toMatch(/^ {2}kafka\.broker: no such key; did you mean kafka\.brokers\?$/m);
  });
});

test.each([[[]], [['--detach']]])('stack up %j on what is no directory is wrong usage', async (more) => {
  const below = join(valid, 'below');
  for (const [data, reason] of [
    [valid, 'it is a file, and not a directory'],
    [below, 'something above it is a file, and not a directory'],
  ] as const) {
    const { stdout, stderr, exitCode } = await ledger(['stack', 'up', '--data', data, ...more]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 2 });
    expect(stderr).toBe(`campaign-ledger: the stack cannot keep its data in ${data}: ${reason}`);
  }
});

test('a reader that goes away ends it quietly', async () => {
  const { stderr, exitCode } = await execa('bash', [
    '-c',
    `set -o pipefail; for i in 1 2 3; do ${process.execPath} ${MAIN} config validate --print --config ${valid}; done | head -c 1 > /dev/null`,
  ]);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
});

function hasAction(command: unknown): boolean {
  return (command as { _actionHandler?: unknown } | undefined)?._actionHandler != null;
}
