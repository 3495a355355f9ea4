/** Events as a busy system sends them: three deliveries to two reactions, each with an identity of its own. */

import { Random } from '../../deploy/local/world/random.ts';
import type { DeliveryValue, WorldValue } from '../../deploy/local/world/world-record.ts';
import { feedbackLoad, type LoadOptions, messageFields } from '../bench/load.ts';

const DAY_MS = 86_400_000;
const TYPES = ['QUEUED', 'SENT', 'DELIVERED', 'DELIVERED', 'BOUNCED'] as const;

/** Deliveries and feedback of three days, mixed, in the order of their making. */
export function* eventLoad(options: LoadOptions): Generator<WorldValue> {
  const deliveries = Math.ceil((options.records * 3) / 5);
  const delivery = deliveryLoad({ ...options, records: deliveries });
  const feedback = feedbackLoad({ ...options, records: options.records - deliveries });
  for (let index = 0; index < options.records; index += 1) {
    const first = index % 5 < 3 ? delivery : feedback;
    const next = first.next();
    const { value } = next.done === true ? (first === delivery ? feedback : delivery).next() : next;
    if (value !== undefined) yield value;
  }
}

function* deliveryLoad({ records, seed, until }: LoadOptions): Generator<WorldValue> {
  const random = new Random(seed, 4);
  for (let index = 0; index < records; index += 1) {
    const occurredAt = until - 3 * DAY_MS + Math.floor((3 * DAY_MS * index) / records);
    yield { topic: 'delivery', value: delivery(random, occurredAt) };
  }
}

function delivery(random: Random, occurredAt: number): DeliveryValue {
  const type = random.pick(TYPES);
  return {
    ...messageFields(random),
    type,
    occurred_at: occurredAt,
    variant: random.chance(0.5) ? 'A' : 'B',
    reason: type === 'BOUNCED' ? '550 5.1.1 mailbox unavailable' : null,
    provider: 'mailer-1',
    attributes: {},
  };
}
