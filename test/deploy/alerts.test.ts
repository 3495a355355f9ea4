/** The alerting rules speak of metrics that there are, and the runbook has a section for each of them. */
import { readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { createMetrics } from '../../pipelines/common/metrics.ts';
import { createRetentionMetrics } from '../../pipelines/retention/retention-metrics.ts';
import { createVerifyMetrics } from '../../pipelines/verify/verify-metrics.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
}

const { groups } = parse(read('deploy/prometheus/alerts.yaml')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

test('every metric in a rule exists', async () => {
  const ofRetention = new Registry();
  createRetentionMetrics(ofRetention, null);
  const registries = [createMetrics().registry, createVerifyMetrics().registry, ofRetention];
  const metrics = await Promise.all(registries.map((registry) => registry.getMetricsAsJSON()));
  const names = new Set(metrics.flat().map(({ name }) => name));
  expect(rules.length).toBeGreaterThan(5);
  for (const { alert, expr } of rules) {
    const used = expr.match(/ledger_[a-z_]+/g) ?? [];
    expect(used, alert).not.toEqual([]);
    expect(
      used.filter((name) => !names.has(name)),
      alert,
    ).toEqual([]);
  }
});

test('every alert has its section in the runbook, and every section an alert', () => {
  const [, runbook = ''] = read('docs/operations.md').split('\n## Runbook\n');
  const sections = [...(runbook.split('\n## ')[0] ?? '').matchAll(/^### (Ledger.*)$/gm)].flatMap(
    ([, title = '']) => title.split(', '),
  );
  expect(sections.sort()).toEqual(rules.map(({ alert }) => alert).sort());
});
