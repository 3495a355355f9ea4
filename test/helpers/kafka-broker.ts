/** A Kafka broker of a test's own, where the shared stack's will not do: with listeners or settings that no other test wants. */
import { join } from 'node:path';
import getPort from 'get-port';
import { kafkaPart } from '../../deploy/local/kafka/kafka-part.ts';
import type { KafkaProperties } from '../../deploy/local/kafka/server-properties.ts';
import { Part } from '../../deploy/local/supervisor/part.ts';
import { createLogger } from '../../pipelines/common/logger.ts';

export interface BrokerPorts {
  /** Plain text; the probe's, and for what a test prepares. */
  readonly plain: number;
  readonly controller: number;
  /** For listeners of the test's own, as many as were asked for. */
  readonly more: readonly number[];
}

export interface TestBroker {
  readonly ports: BrokerPorts;
  /** host:port of the plain listener. */
  readonly address: string;
  readonly part: Part;
  stop(): Promise<void>;
}

/** @param options.properties over those of the local stack */
export async function startBroker({
  folder,
  morePorts = 0,
  properties = () => ({}),
}: {
  folder: string;
  morePorts?: number;
  properties?: (ports: BrokerPorts) => KafkaProperties;
}): Promise<TestBroker> {
  const [plain = 0, controller = 0, ...more] = await Promise.all(
    Array.from({ length: 2 + morePorts }, () => getPort({ host: '127.0.0.1' })),
  );
  const ports = { plain, controller, more };
  const spec = kafkaPart({
    dataDir: join(folder, 'kafka'),
    logFile: join(folder, 'kafka.log'),
    port: plain,
    controllerPort: controller,
    properties: properties(ports),
  });
  const part = new Part(spec, { logger: createLogger({ level: 'warn', format: 'auto' }), restarts: false });
  await part.start();
  return { ports, address: `127.0.0.1:${plain}`, part, stop: () => part.stop() };
}
