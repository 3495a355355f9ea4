/** What is shared is never older than the question. */
import { expect, test } from 'vitest';
import { sharedRead } from '../../../pipelines/serve/shared-read.ts';

/** Reads that end when they are told to; each says which one it was. */
function reads() {
  const ends: ((fails?: boolean) => void)[] = [];
  const ask = sharedRead(() => {
    const number = ends.length + 1;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    ends.push((fails = false) => (fails ? reject(new Error(`read ${number}`)) : resolve(number)));
    return promise;
  });
  const begun = async (number: number): Promise<void> => {
    while (ends.length < number) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return { ask, ends, begun };
}

test('who comes while a read is under way gets the next one, all of them together', async () => {
  const { ask, ends, begun } = reads();
  const first = ask();
  const [second, third] = [ask(), ask()];
  expect(ends).toHaveLength(1);
  ends[0]?.();
  expect(await first).toBe(1);
  await begun(2);
  const late = ask();
  ends[1]?.();
  expect(await Promise.all([second, third])).toEqual([2, 2]);
  await begun(3);
  ends[2]?.();
  expect(await late).toBe(3);
  const alone = ask();
  await begun(4);
  ends[3]?.();
  expect(await alone).toBe(4);
});

test('a read that fails is its own askers’, and one that does not end holds nobody up', async () => {
  const { ask, ends, begun } = reads();
  const failing = ask();
  const next = ask();
  ends[0]?.(true);
  await expect(failing).rejects.toThrow('read 1');
  await begun(2);
  const stuck = next.catch(() => {});
  const after = ask();
  await begun(3);
  ends[2]?.();
  expect(await after).toBe(3);
  ends[1]?.();
  await stuck;
});
