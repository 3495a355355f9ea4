/** What may be asked of a restore, and what is said to the rest. */
import { expect, it } from 'vitest';
import { UsageError } from '../../../pipelines/common/errors.ts';
import { checkOptions, choiceOf, type RestoreOptions } from '../../../pipelines/restore/restore-options.ts';

const TO_KAFKA = { to: 'kafka', as: 'target' } as const;
const TO_CLICKHOUSE = { to: 'clickhouse' } as const;

function ask(topics: readonly string[], options: RestoreOptions): void {
  checkOptions(topics, options);
  choiceOf(options);
}

it.each<[reason: string, topics: string[], options: RestoreOptions]>([
  ['say what', [], TO_CLICKHOUSE],
  ['--user and --campaign need --tenant', [], { ...TO_CLICKHOUSE, user: 'u1' }],
  ['need one topic and --partition', ['a'], { ...TO_CLICKHOUSE, first: 1 }],
  ['need one topic and --partition', ['a', 'b'], { ...TO_CLICKHOUSE, first: 1, partition: 0 }],
  ['--first 5 is behind --last 4', ['a'], { ...TO_CLICKHOUSE, first: 5, last: 4, partition: 0 }],
  ['--until must be later', ['a'], { ...TO_CLICKHOUSE, from: '2026-08-02', until: '2026-08-02' }],
  ['--event-from: "soon" is not a time', ['a'], { ...TO_CLICKHOUSE, eventFrom: 'soon' }],
  ['is not 32 hex digits', ['a'], { ...TO_CLICKHOUSE, topicId: 'x' }],
  ['--all restores everything', ['a'], { ...TO_CLICKHOUSE, all: true }],
  ['--all restores everything', [], { ...TO_CLICKHOUSE, all: true, tenant: 'acme' }],
  ['--all brings back no days', [], { ...TO_CLICKHOUSE, all: true, keepFor: 1 }],
  ['--all is for ClickHouse', [], { ...TO_KAFKA, all: true }],
  ['--force goes with --all', ['a'], { ...TO_CLICKHOUSE, force: true }],
  ['go with --to kafka', ['a'], { ...TO_CLICKHOUSE, as: 'target' }],
  ['needs --as', ['a'], { to: 'kafka' }],
  ['one topic at a time', ['a', 'b'], TO_KAFKA],
  ['--keep-for is for ClickHouse', ['a'], { ...TO_KAFKA, keepFor: 1 }],
])('refuses, and says %j: %j %j', (reason, topics, options) => {
  expect(() => ask(topics, options)).toThrow(UsageError);
  expect(() => ask(topics, options)).toThrow(reason);
});

it.each<[topics: string[], options: RestoreOptions]>([
  [[], { ...TO_CLICKHOUSE, all: true, force: true }],
  [[], { ...TO_CLICKHOUSE, tenant: 'acme', user: 'u1', keepFor: 1 }],
  [['a', 'b'], TO_CLICKHOUSE],
  [['a'], { ...TO_KAFKA, partition: 3, last: 9 }],
])('takes %j %j', (topics, options) => {
  expect(() => ask(topics, options)).not.toThrow();
});
