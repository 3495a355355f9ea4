/** The broker's settings for one machine. */

export type KafkaProperties = Readonly<Record<string, string | number | boolean>>;

export interface ServerPropertiesOptions {
  readonly logDir: string;
  readonly port: number;
  readonly controllerPort: number;
  readonly properties?: KafkaProperties;
}

const MIB = 1024 * 1024;

export function serverProperties(options: ServerPropertiesOptions): KafkaProperties {
  const { logDir, port, controllerPort, properties = {} } = options;
  const host = '127.0.0.1';
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    // Fixed voters rather than a quorum that is written into the log: the port may be another one at the next start.
    'controller.quorum.voters': `1@${host}:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://${host}:${port},CONTROLLER://${host}:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://${host}:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': logDir,

    'auto.create.topics.enable': false,
    'default.replication.factor': 1,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 8,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 8,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'share.coordinator.state.topic.num.partitions': 1,

    'num.network.threads': 2,
    'num.io.threads': 4,
    'num.recovery.threads.per.data.dir': 2,
    'message.max.bytes': 16 * MIB,
    'replica.fetch.max.bytes': 16 * MIB,
    'log.retention.check.interval.ms': 60_000,

    // After a kill -9 the controller lets a new broker in only when the old one's session has run out.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,

    // Members may ask for short sessions, so that a take-over does not take a test 45 s.
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1_000,
    'group.consumer.min.session.timeout.ms': 1_000,
    'group.consumer.min.heartbeat.interval.ms': 200,
    // Groups of the broker-side protocol (KIP-848) take their timeouts from here; Kafka's own are 45 s and 5 s.
    'group.consumer.session.timeout.ms': 10_000,
    'group.consumer.heartbeat.interval.ms': 1_000,
    ...properties,
  };
}

/** In the format of java.util.Properties, whose escape character is the backslash. */
export function formatProperties(properties: KafkaProperties): string {
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${escaped(String(value))}\n`)
    .join('');
}

/** Java reads such a file as ISO-8859-1 (Properties.load): the bytes of UTF-8 would become the name of another folder. */
function escaped(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
