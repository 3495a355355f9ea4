/** `npm run test:long`: tests that start and kill many processes, on the shared stack. Minutes: not part of `npm test`. */
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './helpers/longest-first.ts';

export default defineConfig({
  test: {
    name: 'long',
    pool: 'forks',
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    env: { JAVA_TOOL_OPTIONS: '-XX:TieredStopAtLevel=1' },
    include: ['test/**/*.long.test.ts'],
    globalSetup: ['test/helpers/shared-stack.ts'],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    teardownTimeout: 60_000,
  },
});
