/** A load with something of everything that a restore has to get right: copies, late changes, other schemas, what is no record. */
import { change, definition, delivery, feedback, NOON } from './ledger-values.ts';
import type { WholeLedger } from './whole-ledger.ts';

const USERS = 20;
const PER_USER = 15;

/** Each call sends other identities. @param run distinguishes them */
export async function produceLoad(ledger: WholeLedger, run: string): Promise<void> {
  const { harness } = ledger;
  const sent = (role: 'definitions' | 'delivery' | 'feedback' | 'profiles', values: readonly object[]) =>
    harness.produce(
      role,
      values.map((value) => {
        const { tenant_id = 'acme', user_id = 'none' } = value as { tenant_id?: string; user_id?: string };
        return {
          key: `${tenant_id}/${user_id}`,
          value: harness.encode(role, value),
          headers: [{ trace: Buffer.from([0xff, 0, 1]) }, { trace: '' }],
        };
      }),
    );
  const each = <T>(make: (user: string, index: number) => T): T[] =>
    Array.from({ length: USERS * PER_USER }, (_, index) => make(`u${index % USERS}`, index));
  const tenantOf = (index: number) => (index % 3 === 0 ? 'globex' : 'acme');
  await sent(
    'definitions',
    ['spring', 'summer'].map((campaign_id, index) =>
      definition({ campaign_id, name: `${campaign_id} ${run}`, updated_at: NOON + index }),
    ),
  );
  const deliveries = each((user_id, index) =>
    delivery({
      event_id: `d-${run}-${index}`,
      message_id: `m-${run}-${index}`,
      tenant_id: tenantOf(index),
      campaign_id: index % 2 === 0 ? 'spring' : 'summer',
      user_id,
      occurred_at: NOON - index * 3_600_000,
    }),
  );
  await sent('delivery', deliveries);
  // Copies, of which the first recorded counts.
  await sent(
    'delivery',
    deliveries.slice(0, 20).map((value) => ({ ...value, provider: 'another' })),
  );
  await sent(
    'feedback',
    each((user_id, index) =>
      feedback({
        event_id: `f-${run}-${index}`,
        message_id: `m-${run}-${index}`,
        tenant_id: tenantOf(index),
        campaign_id: index % 2 === 0 ? 'spring' : 'summer',
        user_id,
        occurred_at: NOON - index * 3_600_000 + 60_000,
      }),
    ),
  );
  await sent(
    'profiles',
    each((user_id, index) =>
      change({
        change_id: `c-${run}-${index}`,
        user_id,
        op: index < USERS ? 'SNAPSHOT' : 'PATCH',
        // Not in order: late changes fold into their place.
        changed_at: NOON + ((index * 7_919) % 100_000),
        attributes: `{"step":${index},"run":"${run}"}`,
      }),
    ),
  );
  const bad = [Buffer.from('no Avro at all'), null, Buffer.from([0, 0, 0xff, 0xff, 0xff, 1])];
  for (const role of ['delivery', 'feedback', 'profiles'] as const)
    await harness.produce(
      role,
      bad.map((value, partition) => ({ value, key: `bad-${run}`, partition: partition % 2 })),
    );
}
