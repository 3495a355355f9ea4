/** Two kinds of tests: pure ones, which run anywhere at once, and those on the local stack, which is started once for all. */
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/helpers/longest-first.ts';

export default defineConfig({
  test: {
    // The native Kafka client and kill -9 want processes of their own, not threads.
    pool: 'forks',
    // Tests wait for processes as much as they compute: on two cores four of them take a quarter less time than two.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    // Brokers of a test's own live for seconds: Java's second compiler would take more than it gives.
    env: { JAVA_TOOL_OPTIONS: '-XX:TieredStopAtLevel=1' },
    testTimeout: 120_000,
    hookTimeout: 180_000,
    teardownTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.{stack,long,chaos}.test.ts'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'stack',
          include: ['test/**/*.stack.test.ts'],
          globalSetup: ['test/helpers/shared-stack.ts'],
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
