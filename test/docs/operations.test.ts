/** docs/operations.md names every metric and every alarm there is, and none that is not. */
import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createMetrics } from '../../pipelines/common/metrics.ts';
import { REASONS } from '../../pipelines/retention/reasons.ts';
import { createRetentionMetrics } from '../../pipelines/retention/retention-metrics.ts';
import { createServeMetrics } from '../../pipelines/serve/serve-metrics.ts';

const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');

function section(title: string): string {
  return text.split(/^## /m).find((part) => part.startsWith(title)) ?? '';
}

test('every metric has its row', async () => {
  const { registry } = createMetrics();
  createRetentionMetrics(registry, null);
  createServeMetrics(registry);
  const names = (await registry.getMetricsAsJSON()).map(({ name }) => name).sort();
  const documented = new Set(section('Metrics').match(/ledger_[a-z_]+/g));
  expect([...documented].sort()).toEqual(names);
});

test('every alarm that can stop a partition has its row', () => {
  const root = new URL('../../', import.meta.url).pathname;
  const sources = globSync('pipelines/**/*.ts', { cwd: root }).map((file) =>
    readFileSync(`${root}${file}`, 'utf8'),
  );
  const inCode = new Set(
    sources.flatMap((source) => [
      ...[...source.matchAll(/new PartitionStopped\(\s*'([a-z_]+)'/g)].map(([, code]) => code),
      ...[...source.matchAll(/type StopCode =([^;]+);/g)].flatMap(([, union = '']) =>
        [...union.matchAll(/'([a-z_]+)'/g)].map(([, code]) => code),
      ),
    ]),
  );
  const documented = [...section('Alarms').matchAll(/^\| `([a-z_]+)`/gm)].map(([, code]) => code);
  expect(documented.sort()).toEqual([...inCode].sort());
});

test('every reason for which a day is kept has its row', () => {
  const page = readFileSync(new URL('../../docs/retention.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| ([^|]+) \| `([a-z_]+)` \|/gm)].map(([, why, code]) => [code, why]);
  expect(Object.fromEntries(rows)).toEqual(REASONS);
});
