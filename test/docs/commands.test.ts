/** Every command that a page or an alarm says to type is one that there is. */
import { globSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import { beforeAll, expect, test } from 'vitest';
import { whatToType } from '../../pipelines/common/runner/resolver.ts';
import type { StopCode } from '../../pipelines/common/runner/start-offset.ts';
import { PIPELINE_NAMES } from '../../pipelines/factories.ts';
import { SUBCOMMANDS } from '../../pipelines/main.ts';

const root = new URL('../../', import.meta.url).pathname;

/** `run`, `archive verify`, … */
const existing = new Set<string>();

beforeAll(async () => {
  const program = new Command();
  for (const { load } of SUBCOMMANDS) for (const register of await load()) register(program);
  for (const command of program.commands) {
    if (command.commands.length === 0 || hasAction(command)) existing.add(command.name());
    for (const sub of command.commands) existing.add(`${command.name()} ${sub.name()}`);
  }
});

/** A command that does something without one of its own subcommands. */
function hasAction(command: unknown): boolean {
  return (command as { _actionHandler?: unknown })._actionHandler != null;
}

function missingFrom(named: Iterable<RegExpMatchArray>): string[] {
  return [...named].flatMap(([, first = '', second = '']) =>
    existing.has(first) || existing.has(`${first} ${second}`) ? [] : [`${first} ${second}`],
  );
}

test('in the pages', () => {
  const pages = ['README.md', ...globSync('docs/*.md', { cwd: root })];
  for (const page of pages) {
    const text = readFileSync(`${root}${page}`, 'utf8');
    expect(missingFrom(text.matchAll(/`campaign-ledger ([a-z-]+)(?: ([a-z-]+))?/g)), page).toEqual([]);
  }
});

test('in the alarms, for each pipeline', () => {
  const source = { topic: 't', topicId: 'id', partition: 0 };
  const codes: readonly StopCode[] = ['committed_ahead', 'offset_out_of_range', 'intent_mismatch'];
  for (const name of PIPELINE_NAMES) {
    for (const code of codes) {
      for (const missing of [null, { first: 0, last: 1 }]) {
        const text = whatToType(name, source, { code, missing });
        expect(missingFrom(text.matchAll(/campaign-ledger ([a-z-]+)(?: ([a-z-]+))?/g)), text).toEqual([]);
        if (name !== 'archive') expect(text).not.toContain('archive');
      }
    }
  }
});
