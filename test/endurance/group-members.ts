/** Who the broker says is in a pipeline's group. */
import { Admin } from '@platformatic/kafka';
import type { PipelineName } from '../../config/schema.ts';
import type { WholeLedger } from '../helpers/whole-ledger.ts';

export async function membersOf(ledger: WholeLedger, pipeline: PipelineName): Promise<ReadonlySet<string>> {
  const admin = new Admin({
    clientId: 'endurance-watch',
    bootstrapBrokers: [...ledger.config.kafka.brokers],
    retries: 0,
  });
  try {
    const group = ledger.group(pipeline);
    const { members } = (await admin.describeGroups({ groups: [group] })).get(group) ?? {};
    return new Set(members?.keys() ?? []);
  } finally {
    await admin.close();
  }
}
