import { describe, expect, test } from 'vitest';
import { Outage, PartitionStopped } from '../../../pipelines/common/errors.ts';
import { retryOutage } from '../../../pipelines/common/retry.ts';

const retry = { initialMs: 1, maxMs: 4 };
const away = () => new Outage('clickhouse', 'connection refused');

/** Fails as often as there are errors, then answers with the number of the attempt. */
function failing(errors: readonly Error[]) {
  return async (attempt: number) => {
    const error = errors[attempt - 1];
    if (error !== undefined) throw error;
    return attempt;
  };
}

describe('retryOutage', () => {
  test('tries until it succeeds, and tells of each outage', async () => {
    const outages: [string, number][] = [];
    const result = await retryOutage(failing(Array.from({ length: 20 }, away)), {
      retry,
      onOutage: ({ service }, attempt) => outages.push([service, attempt]),
    });
    expect(result).toBe(21);
    expect(outages).toHaveLength(20);
    expect(outages.at(-1)).toEqual(['clickhouse', 20]);
  });

  test.each([new PartitionStopped('offset-gap', 'stop'), new TypeError('a bug'), new Error('Code: 62')])(
    'lets %s through at once',
    async (error) => {
      let attempts = 0;
      const attempt = retryOutage(
        async () => {
          attempts += 1;
          throw attempts === 1 ? away() : error;
        },
        { retry },
      );
      await expect(attempt).rejects.toBe(error);
      expect(attempts).toBe(2);
    },
  );

  test('ends with the last outage when the attempts are used up', async () => {
    const errors = [away(), away(), away()];
    await expect(retryOutage(failing(errors), { retry, retries: 2 })).rejects.toBe(errors[2]);
  });

  test('an abort ends the wait with its reason', async () => {
    const controller = new AbortController();
    const reason = new Error('shutting down');
    const attempt = retryOutage(failing(Array.from({ length: 10 }, away)), {
      retry: { initialMs: 3_600_000, maxMs: 3_600_000 },
      signal: controller.signal,
      onOutage: () => setImmediate(() => controller.abort(reason)),
    });
    await expect(attempt).rejects.toBe(reason);
  });

  test('after an abort nothing is tried', async () => {
    let attempts = 0;
    const attempt = retryOutage(async () => (attempts += 1), {
      retry,
      signal: AbortSignal.abort(new Error('over')),
    });
    await expect(attempt).rejects.toThrow('over');
    expect(attempts).toBe(0);
  });

  test('waits grow, are never longer than the longest, and differ between processes', async () => {
    const waits = async () => {
      const seen: number[] = [];
      const logger = { warn: (line: { retryInMs: number }) => seen.push(line.retryInMs) };
      await retryOutage(failing(Array.from({ length: 8 }, away)), {
        retry: { initialMs: 4, maxMs: 20 },
        logger: logger as never,
      });
      return seen;
    };
    const runs = await Promise.all(Array.from({ length: 8 }, waits));
    for (const [first = 0, ...rest] of runs) {
      expect(first).toBeLessThanOrEqual(4);
      expect(rest.every((wait) => wait <= 20)).toBe(true);
      expect(rest.at(-1)).toBe(20);
    }
    expect(new Set(runs.map((run) => run.join())).size).toBeGreaterThan(1);
  });
});
