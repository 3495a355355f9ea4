/** What a start finds while another process is still writing: each answer is a moment older than the next one. */
import { expect, test } from 'vitest';
import { partitionKey } from '../../../../pipelines/common/batch.ts';
import type { Lane } from '../../../../pipelines/common/runner/lane.ts';
import { Partition } from '../../../../pipelines/common/runner/partition.ts';
import { resolvePartitions } from '../../../../pipelines/common/runner/resolver.ts';

const TOPIC = { topic: 'events', partition: 0 };
const TOPIC_ID = 'a'.repeat(32);

type Parts = Parameters<typeof resolvePartitions>[0];

/** Somebody who ends a batch after every question that is asked: records come in, are stored, and are then committed. */
class Writer {
  #next = 100;

  #answer<T>(answer: T): Promise<T> {
    this.#next += 10;
    return Promise.resolve(answer);
  }

  readonly parts = {
    pipeline: {
      name: 'tracking',
      sink: {
        positions: () =>
          this.#answer(
            new Map([[partitionKey({ ...TOPIC, topicId: TOPIC_ID }), { next: this.#next, intent: null }]]),
          ),
      },
    },
    consumer: {
      committed: () =>
        this.#answer(
          new Map([['events/0', { offset: this.#next, note: { stored: this.#next, isBeginning: false } }]]),
        ),
    },
    admin: {
      watermarks: () => this.#answer([{ ...TOPIC, low: 0, high: this.#next }]),
      stableEnds: () => this.#answer([{ ...TOPIC, offset: this.#next }]),
    },
    topicIds: { fetch: () => Promise.resolve(new Map([['events', TOPIC_ID]])) },
    flusher: { settled: () => Promise.resolve() },
  } as unknown as Parts;
}

test('a batch that another process ends meanwhile is no alarm', async () => {
  const partition = new Partition({ ...TOPIC, assignment: 1, lane: {} as Lane });
  const resolutions = await resolvePartitions(new Writer().parts, [partition]);
  expect(resolutions).toMatchObject([{ kind: 'start', begin: { offset: 110 } }]);
});
