/** Ready means: the broker has made a topic and removed it again. */
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { configSchema } from '../../../config/schema.ts';
import { createAdmin } from '../../../pipelines/common/kafka/admin.ts';

const REQUEST_TIMEOUT_MS = 5_000;

/** @param broker host:port */
export async function probeKafka(broker: string, signal: AbortSignal): Promise<void> {
  // The client would wait and complain for as long as nobody listens.
  await connects(broker, signal);
  const { kafka } = configSchema.parse({
    kafka: { brokers: [broker], clientId: 'stack-probe', requestTimeoutMs: REQUEST_TIMEOUT_MS },
    schemaRegistry: { url: 'http://127.0.0.1:1' },
    clickhouse: { url: 'http://127.0.0.1:1' },
    blob: { connectionString: 'UseDevelopmentStorage=true' },
  });
  const admin = createAdmin({ kafka });
  try {
    const topic = `stack-probe-${randomUUID()}`;
    await admin.createTopic({ topic, partitions: 1, replicationFactor: 1 });
    await admin.deleteTopic(topic);
  } finally {
    admin.close();
  }
}

function connects(broker: string, signal: AbortSignal): Promise<void> {
  const { hostname: host, port } = new URL(`tcp://${broker}`);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port), signal });
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}
