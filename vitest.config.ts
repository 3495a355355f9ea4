/** Two kinds of tests: pure ones, which run anywhere at once, and those on the local stack, which is started once for all. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // The native Kafka client and kill -9 want processes of their own, not threads.
    pool: 'forks',
    // The stack's own processes need the rest of a small machine.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 180_000,
    teardownTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.stack.test.ts'],
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
