/** Which of librdkafka's properties `kafka.properties` may not set. */
import { withoutSignatures } from '../pipelines/common/redaction.ts';

/** Keys of `properties` that another key owns, or on which "exactly once" rests. */
const OWNED_PROPERTIES: Readonly<Record<string, string>> = {
  'metadata.broker.list': 'use kafka.brokers',
  'bootstrap.servers': 'use kafka.brokers',
  'client.id': 'use kafka.clientId',
  'group.id': 'use kafka.groupPrefix',
  'group.protocol': 'use kafka.groupProtocol',
  'partition.assignment.strategy': 'use kafka.assignmentStrategy',
  'session.timeout.ms': 'use kafka.sessionTimeoutMs',
  'heartbeat.interval.ms': 'it is always a third of kafka.sessionTimeoutMs',
  'max.poll.interval.ms': 'use kafka.maxPollIntervalMs',
  'queued.max.messages.kbytes': 'use kafka.queuedMaxKbytes',
  'security.protocol': 'use kafka.tls.enabled and kafka.sasl.mechanism',
  'sasl.mechanism': 'use kafka.sasl.mechanism',
  'sasl.mechanisms': 'use kafka.sasl.mechanism',
  'sasl.username': 'use kafka.sasl.username',
  'sasl.password': 'use kafka.sasl.password or kafka.sasl.passwordFile',
  'sasl.oauthbearer.method': 'it is always oidc: use kafka.sasl.oauthbearer',
  'sasl.oauthbearer.token.endpoint.url': 'use kafka.sasl.oauthbearer.tokenEndpointUrl',
  'sasl.oauthbearer.client.id': 'use kafka.sasl.oauthbearer.clientId',
  'sasl.oauthbearer.client.credentials.client.id': 'use kafka.sasl.oauthbearer.clientId',
  'sasl.oauthbearer.client.secret': 'use kafka.sasl.oauthbearer.clientSecret or clientSecretFile',
  'sasl.oauthbearer.client.credentials.client.secret':
    'use kafka.sasl.oauthbearer.clientSecret or clientSecretFile',
  'sasl.oauthbearer.scope': 'use kafka.sasl.oauthbearer.scope',
  'sasl.oauthbearer.extensions': 'use kafka.sasl.oauthbearer.extensions',
  'sasl.oauthbearer.config': 'use kafka.sasl.oauthbearer',
  'ssl.ca.location': 'use kafka.tls.caFile',
  'ssl.certificate.location': 'use kafka.tls.certFile',
  'ssl.key.location': 'use kafka.tls.keyFile',
  'ssl.endpoint.identification.algorithm': 'use kafka.tls.verifyHostname',
  'ssl.key.password': 'use kafka.tls.keyPassword or kafka.tls.keyPasswordFile',
  'ssl.key.pem': 'use kafka.tls.keyFile',
  'ssl.keystore.password': 'use kafka.tls.keyFile with kafka.tls.keyPasswordFile',
  'enable.auto.commit': 'it is always false: an offset is committed only after its record is durable',
  'enable.auto.offset.store': 'it is always false: an offset is committed only after its record is durable',
  'auto.offset.reset': 'it is never used: a missing offset stops the partition instead of losing records',
  'isolation.level': 'it is always read_committed',
  'enable.partition.eof': 'it is always true: only its event tells that a transaction marker was passed',
  'group.instance.id': 'members are never static: two processes with one id throw each other out for ever',
  'enable.idempotence': 'it is always true for producers',
  'transactional.id': 'only dead-letters replay has one, the name of its log: two at once must meet under it',
  'transaction.timeout.ms':
    'it is always 30 s: a replay that dies holds up the readers of its topic for so long',
  acks: 'it is always all',
  'request.required.acks': 'it is always all',
  'message.max.bytes': 'use maxMessageBytes of kafka.topics',
  dr_cb: 'it is always true for producers',
};

/** Why a property may not be set, and what to do instead; null when it may. */
export function refusedProperty([key, value]: readonly [string, unknown]): string | null {
  if (Object.hasOwn(OWNED_PROPERTIES, key)) return OWNED_PROPERTIES[key] ?? null;
  // Properties are printed and logged as they are.
  return /password|passphrase|secret|(private\.key|keystore|key)\.pem$/.test(key) ||
    withoutSignatures(String(value)) !== String(value)
    ? 'a secret has no place here: use a property that names a file'
    : null;
}
