/** The configuration as librdkafka properties: what every Kafka client of ours is made from. */
import type { Config } from '../../../config/schema.ts';
import { DEAD_LETTER_HEADROOM_BYTES } from '../../../config/topics.ts';
import { readTls } from '../tls.ts';

export type KafkaSettings = Readonly<Record<string, string | number | boolean>>;

type KafkaConfig = Pick<Config, 'kafka'>;

/** Addresses, TLS and SASL: valid for consumers, producers and admin clients alike. */
export function kafkaSettings({ kafka }: KafkaConfig): KafkaSettings {
  const { tls, sasl } = kafka;
  return {
    ...kafka.properties,
    'bootstrap.servers': kafka.brokers.join(','),
    'client.id': kafka.clientId,
    'security.protocol': securityProtocol(tls.enabled, sasl.mechanism !== null),
    ...(tls.enabled ? tlsSettings(tls) : {}),
    ...saslSettings(sasl),
  };
}

/**
 * For a consumer of the group: nothing is committed but by hand, aborted transactions are never seen, and a partition
 * without a valid offset is an error rather than a jump.
 */
export function consumerSettings(config: KafkaConfig, { pipeline }: { pipeline: string }): KafkaSettings {
  const { kafka } = config;
  return {
    ...kafkaSettings(config),
    'group.id': consumerGroup(config, pipeline),
    'enable.auto.commit': false,
    'enable.auto.offset.store': false,
    'isolation.level': 'read_committed',
    'max.poll.interval.ms': kafka.maxPollIntervalMs,
    'queued.max.messages.kbytes': kafka.queuedMaxKbytes,
    ...(kafka.groupProtocol === 'consumer'
      ? { 'group.protocol': 'consumer' }
      : {
          'group.protocol': 'classic',
          'partition.assignment.strategy': kafka.assignmentStrategy,
          'session.timeout.ms': kafka.sessionTimeoutMs,
          'heartbeat.interval.ms': Math.max(100, Math.floor(kafka.sessionTimeoutMs / 3)),
        }),
  };
}

/** For a producer whose acknowledgement means durable, with room for dead letters of the largest record. */
export function producerSettings(config: KafkaConfig): KafkaSettings {
  const { definitions, delivery, feedback, profiles } = config.kafka.topics;
  const largest = Math.max(
    ...[definitions, delivery, feedback, profiles].map((topic) => topic.maxMessageBytes),
  );
  return {
    ...kafkaSettings(config),
    acks: 'all',
    'enable.idempotence': true,
    'message.max.bytes': largest + DEAD_LETTER_HEADROOM_BYTES,
    dr_cb: true,
  };
}

/** `<groupPrefix>.<pipeline>`. */
export function consumerGroup({ kafka }: KafkaConfig, pipeline: string): string {
  return `${kafka.groupPrefix}.${pipeline}`;
}

function securityProtocol(hasTls: boolean, hasSasl: boolean): string {
  return `${hasSasl ? 'sasl_' : ''}${hasTls ? 'ssl' : 'plaintext'}`;
}

/** @throws {UsageError} a file that librdkafka would only call an "Erroneous state", named with what is wrong with it */
function tlsSettings(tls: Config['kafka']['tls']): KafkaSettings {
  readTls('kafka.tls', tls);
  return {
    ...given({
      'ssl.ca.location': tls.caFile,
      'ssl.certificate.location': tls.certFile,
      'ssl.key.location': tls.keyFile,
      'ssl.key.password': tls.keyPassword,
    }),
    'ssl.endpoint.identification.algorithm': tls.verifyHostname ? 'https' : 'none',
  };
}

function saslSettings(sasl: Config['kafka']['sasl']): KafkaSettings {
  if (sasl.mechanism === null) return {};
  const mechanism = { 'sasl.mechanism': sasl.mechanism.toUpperCase() };
  if (sasl.mechanism !== 'oauthbearer') {
    return { ...mechanism, ...given({ 'sasl.username': sasl.username, 'sasl.password': sasl.password }) };
  }
  const { oauthbearer } = sasl;
  return {
    ...mechanism,
    'sasl.oauthbearer.method': 'oidc',
    ...given({
      'sasl.oauthbearer.token.endpoint.url': oauthbearer.tokenEndpointUrl,
      'sasl.oauthbearer.client.id': oauthbearer.clientId,
      'sasl.oauthbearer.client.secret': oauthbearer.clientSecret,
      'sasl.oauthbearer.scope': oauthbearer.scope,
      'sasl.oauthbearer.extensions': oauthbearer.extensions,
    }),
  };
}

function given(settings: Readonly<Record<string, string | null>>): KafkaSettings {
  return Object.fromEntries(
    Object.entries(settings).filter((entry): entry is [string, string] => entry[1] !== null),
  );
}
