/** `npm run test:chaos`: that the audit behind `npm run chaos` can fail. Minutes, on a stack of its own: not part of `npm test`. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'chaos',
    pool: 'forks',
    include: ['test/chaos/**/*.chaos.test.ts'],
    teardownTimeout: 60_000,
  },
});
