/** Orders that go to the leader of a partition, by a client that may remember another one. */
import kafka from '@confluentinc/kafka-javascript';
import { kafkaErrorCode } from './errors.ts';

const { ERRORS } = kafka.CODES;

/** Another broker leads the partition since the client last looked, or the same one again after a restart. */
const STALE: ReadonlySet<number> = new Set([
  ERRORS.ERR_FENCED_LEADER_EPOCH,
  ERRORS.ERR_UNKNOWN_LEADER_EPOCH,
  ERRORS.ERR_NOT_LEADER_FOR_PARTITION,
]);

/**
 * The client keeps what it knows of leaders for `metadata.max.age.ms`, a quarter of an hour, wrong answers or not.
 * @param refresh makes it ask who leads
 * @throws what `order` throws, if need be at its second attempt
 */
export async function withFreshLeaders<T>(
  refresh: () => Promise<unknown>,
  order: () => Promise<T>,
): Promise<T> {
  try {
    return await order();
  } catch (error) {
    if (!STALE.has(kafkaErrorCode(error) ?? Number.NaN)) throw error;
    await refresh();
    return order();
  }
}
