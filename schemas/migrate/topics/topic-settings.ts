/** Reads the settings of topics, which the native client cannot: its library has no DescribeConfigs for Node. */
import type { Config } from '../../../config/schema.ts';
import { Outage } from '../../../pipelines/common/errors.ts';
import { readTls } from '../../../pipelines/common/tls.ts';
import { fetchToken } from './token.ts';

type KafkaConfig = Config['kafka'];

/** Kafka's own names and values, for example `retention.ms` and `-1`. */
export type TopicSettings = ReadonlyMap<string, string>;

/** @throws {Outage} the cluster cannot be asked, or does not let us */
export async function readTopicSettings(
  { kafka }: Pick<Config, 'kafka'>,
  topics: readonly string[],
): Promise<ReadonlyMap<string, TopicSettings>> {
  if (topics.length === 0) return new Map();
  const { Admin, ConfigResourceTypes } = await import('@platformatic/kafka');
  const sasl = saslOptions(kafka);
  const admin = new Admin({
    clientId: kafka.clientId,
    bootstrapBrokers: [...kafka.brokers],
    timeout: kafka.requestTimeoutMs,
    connectTimeout: kafka.requestTimeoutMs,
    retries: 2,
    ...(kafka.tls.enabled
      ? {
          tls: {
            ...readTls('kafka.tls', kafka.tls),
            // Only the name may go unchecked: the chain of certificates never does.
            ...(kafka.tls.verifyHostname ? {} : { checkServerIdentity: () => undefined }),
          },
        }
      : {}),
    ...(sasl === null ? {} : { sasl }),
  });
  try {
    const answer = await admin.describeConfigs({
      resources: topics.map((topic) => ({
        resourceType: ConfigResourceTypes.TOPIC,
        resourceName: topic,
        configurationKeys: null,
      })),
    });
    return new Map(
      answer.map(({ resourceName, configs }) => [
        resourceName,
        new Map(configs.flatMap(({ name, value }) => (value == null ? [] : [[name, value] as const]))),
      ]),
    );
  } catch (error) {
    throw new Outage('kafka', `the settings of topics cannot be read: ${messagesOf(error)}`, {
      cause: error,
    });
  } finally {
    await admin.close().catch(() => {});
  }
}

const MECHANISMS = {
  plain: 'PLAIN',
  'scram-sha-256': 'SCRAM-SHA-256',
  'scram-sha-512': 'SCRAM-SHA-512',
  oauthbearer: 'OAUTHBEARER',
} as const;

function saslOptions({ sasl, properties }: KafkaConfig) {
  const { mechanism, username, password, oauthbearer } = sasl;
  if (mechanism === null) return null;
  if (mechanism === 'oauthbearer') {
    return {
      mechanism: MECHANISMS.oauthbearer,
      token: () => fetchToken(oauthbearer, properties),
      oauthBearerExtensions: parseExtensions(oauthbearer.extensions),
    };
  }
  return { mechanism: MECHANISMS[mechanism], username: username ?? '', password: password ?? '' };
}

/** `key=value,key=value`, as librdkafka takes them. */
function parseExtensions(extensions: string | null): Record<string, string> {
  return Object.fromEntries(
    (extensions ?? '')
      .split(',')
      .filter((pair) => pair.includes('='))
      .map((pair) => [pair.slice(0, pair.indexOf('=')).trim(), pair.slice(pair.indexOf('=') + 1).trim()]),
  );
}

/** The client wraps what went wrong in one error for several brokers, and that in "Connection to … failed". */
function messagesOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0)
    return error.errors.map(messagesOf).join('; ');
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} ${messagesOf(error.cause)}` : error.message;
}
