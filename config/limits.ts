/** The limits between keys. Part of the schema: each is checked whenever the keys it reads are valid by themselves. */
import type { z } from 'zod';
import { MASK, withoutLogins } from '../pipelines/common/redaction.ts';
import { connectionStringFault } from './connection-string.ts';
import { refusedProperty } from './kafka-properties.ts';
import type { Config } from './schema.ts';
import { isLoopbackUrl } from './secrets.ts';

interface Limit {
  /** The key a person should look at first; the fault is reported there. */
  readonly path: string;
  /** Every key it reads: one that is faulty by itself is put right first. The path alone when left out. */
  readonly reads?: readonly string[];
  /** What is wrong and what to do, or null when all is well. */
  fault(config: Config): string | null;
}

const DAY_MS = 86_400_000;

/**
 * ClickHouse's DateTime wraps round in February 2106: a row whose TTL passes that is deleted at once. Retention must
 * therefore be safe for every event that this software may still see, taken to be those until the end of 2050.
 */
const TTL_LIMIT_MS = Date.UTC(2106, 0, 1) - Date.UTC(2051, 0, 1);

const pipelineLimits = (['tracking', 'archive', 'profiles'] as const).flatMap((name): Limit[] => [
  {
    path: `pipelines.${name}.maxBatchBytes`,
    reads: [`pipelines.${name}.maxBatchBytes`, `pipelines.${name}.maxBufferedBytes`],
    fault: ({ pipelines }) =>
      pipelines[name].maxBatchBytes > pipelines[name].maxBufferedBytes
        ? `must not exceed pipelines.${name}.maxBufferedBytes (${pipelines[name].maxBufferedBytes}): a batch that cannot be buffered is never full`
        : null,
  },
]);

const retentionLimits = (['tracking', 'messages', 'profileChanges'] as const).map(
  (name): Limit => ({
    path: `retention.${name}.ttlDays`,
    reads: [`retention.${name}.ttlDays`, 'validation.maxFutureMs'],
    fault: ({ retention, validation }) => {
      const { ttlDays } = retention[name];
      const most = Math.floor((TTL_LIMIT_MS - validation.maxFutureMs) / DAY_MS);
      return ttlDays !== null && ttlDays > most
        ? `must be at most ${most}, or null for unlimited: ClickHouse's times end in 2106, and a row whose expiry passes that is deleted at once`
        : null;
    },
  }),
);

const needed = (value: string | null, path: string): string[] => (value === null ? [path] : []);

const SASL_LIMIT: Limit = {
  path: 'kafka.sasl.mechanism',
  reads: [
    'kafka.sasl.mechanism',
    'kafka.sasl.username',
    'kafka.sasl.password',
    'kafka.sasl.oauthbearer.tokenEndpointUrl',
    'kafka.sasl.oauthbearer.clientId',
    'kafka.sasl.oauthbearer.clientSecret',
  ],
  fault: ({ kafka: { sasl } }) => {
    const password = [
      ...needed(sasl.username, 'kafka.sasl.username'),
      ...needed(sasl.password, 'kafka.sasl.password (or passwordFile)'),
    ];
    const oauth = [
      ...needed(sasl.oauthbearer.tokenEndpointUrl, 'kafka.sasl.oauthbearer.tokenEndpointUrl'),
      ...needed(sasl.oauthbearer.clientId, 'kafka.sasl.oauthbearer.clientId'),
      ...needed(sasl.oauthbearer.clientSecret, 'kafka.sasl.oauthbearer.clientSecret (or clientSecretFile)'),
    ];
    if (sasl.mechanism === null) {
      return password.length < 2 || oauth.length < 3
        ? 'is null, but credentials are given: name the mechanism, or remove them'
        : null;
    }
    const missing = sasl.mechanism === 'oauthbearer' ? oauth : password;
    return missing.length > 0 ? `needs ${missing.join(' and ')}` : null;
  },
};

const CONNECTION_STRING_LIMIT: Limit = {
  path: 'blob.connectionString',
  fault: ({ blob: { connectionString } }) =>
    // What `--print` wrote can be read back.
    connectionString === null || connectionString === MASK ? null : connectionStringFault(connectionString),
};

const BLOB_LIMIT: Limit = {
  path: 'blob',
  reads: [
    'blob.connectionString',
    'blob.accountUrl',
    'blob.sasToken',
    'blob.identity',
    'blob.identityClientId',
  ],
  fault: ({ blob }) => {
    const ways = [
      ...(blob.connectionString === null ? [] : ['connectionString']),
      ...(blob.sasToken === null ? [] : ['sasToken']),
      ...(blob.identity === null ? [] : ['identity']),
    ];
    const choice =
      'give either connectionString (or connectionStringFile), or accountUrl with sasToken (or sasTokenFile), or accountUrl with identity';
    if (ways.length === 0) return `does not say how to log in: ${choice}`;
    if (ways.length > 1) return `names more than one way to log in (${ways.join(', ')}): ${choice}`;
    if (blob.connectionString !== null) {
      return blob.accountUrl === null
        ? null
        : 'has both connectionString and accountUrl: the connection string already names the account; remove one';
    }
    if (blob.accountUrl === null) return `needs accountUrl together with ${ways[0]}: ${choice}`;
    if (blob.identity !== null && !blob.accountUrl.startsWith('https:')) {
      return 'has an identity, whose token is never sent over plain HTTP: use an https accountUrl';
    }
    if (blob.identityClientId !== null && blob.identity === null) {
      return 'has identityClientId without identity: set identity, or remove it';
    }
    return null;
  },
};

/** A certificate without its key, or the other way round. */
const tlsLimits = ['kafka.tls', 'schemaRegistry.tls', 'clickhouse.tls'].flatMap((path): Limit[] => {
  const of = (config: Config) =>
    path === 'kafka.tls'
      ? config.kafka.tls
      : path === 'clickhouse.tls'
        ? config.clickhouse.tls
        : config.schemaRegistry.tls;
  const isOn = (config: Config) =>
    path === 'kafka.tls'
      ? config.kafka.tls.enabled
      : (path === 'clickhouse.tls' ? config.clickhouse.url : config.schemaRegistry.url).startsWith('https:');
  const switchedBy = path === 'kafka.tls' ? 'kafka.tls.enabled' : path.replace('.tls', '.url');
  return [
    {
      path: `${path}.certFile`,
      reads: [`${path}.certFile`, `${path}.keyFile`],
      fault: (config) =>
        (of(config).certFile === null) !== (of(config).keyFile === null)
          ? `and ${path}.keyFile belong together: give both or neither`
          : null,
    },
    {
      path: switchedBy,
      reads: [switchedBy, `${path}.caFile`, `${path}.certFile`],
      fault: (config) =>
        !isOn(config) && (of(config).caFile !== null || of(config).certFile !== null)
          ? `does not ask for TLS, but ${path} names certificates: ${path === 'kafka.tls' ? 'set it to true' : 'use an https URL'}, or remove them`
          : null,
    },
  ];
});

const passwordLimits = (['schemaRegistry'] as const).map(
  (name): Limit => ({
    path: `${name}.username`,
    reads: [`${name}.username`, `${name}.password`],
    fault: (config) =>
      (config[name].username === null) !== (config[name].password === null)
        ? `and ${name}.password (or passwordFile) belong together: give both or neither`
        : null,
  }),
);

const LIMITS: readonly Limit[] = [
  ...pipelineLimits,
  ...retentionLimits,
  ...tlsLimits,
  ...passwordLimits,
  SASL_LIMIT,
  CONNECTION_STRING_LIMIT,
  BLOB_LIMIT,
  {
    path: 'kafka.sessionTimeoutMs',
    reads: ['kafka.sessionTimeoutMs', 'kafka.maxPollIntervalMs'],
    fault: ({ kafka }) =>
      kafka.sessionTimeoutMs >= kafka.maxPollIntervalMs
        ? `must be less than kafka.maxPollIntervalMs (${kafka.maxPollIntervalMs}): a member that is busy would be taken for dead`
        : null,
  },
  {
    path: 'kafka.properties',
    fault: ({ kafka }) => {
      const refused = Object.entries(kafka.properties).flatMap((property) => {
        const reason = refusedProperty(property);
        return reason === null ? [] : [`${withoutLogins(property[0])}: ${reason}`];
      });
      return refused.length > 0 ? `may not set ${refused.join('; ')}` : null;
    },
  },
  {
    path: 'clickhouse.biDatabase',
    reads: ['clickhouse.biDatabase', 'clickhouse.database'],
    fault: ({ clickhouse }) =>
      clickhouse.biDatabase === clickhouse.database
        ? 'must differ from clickhouse.database: the read-only role may see only the first'
        : null,
  },
  {
    path: 'retention.messages.ttlDays',
    reads: ['retention.messages.ttlDays', 'retention.tracking.ttlDays'],
    fault: ({ retention: { messages, tracking } }) =>
      messages.ttlDays !== null && (tracking.ttlDays === null || messages.ttlDays < tracking.ttlDays)
        ? `must be at least retention.tracking.ttlDays (${tracking.ttlDays ?? 'unlimited'}): a tracking row outlives its events`
        : null,
  },
  {
    path: 'retention.profileChanges.ttlDays',
    reads: ['retention.profileChanges.ttlDays', 'retention.tracking.ttlDays'],
    fault: ({ retention: { profileChanges, tracking } }) =>
      profileChanges.ttlDays !== null &&
      (tracking.ttlDays === null || profileChanges.ttlDays < tracking.ttlDays)
        ? `must be at least retention.tracking.ttlDays (${tracking.ttlDays ?? 'unlimited'}): events here would refer to profiles that are not`
        : null,
  },
  ...(['raw', 'tracking'] as const).map(
    (name): Limit => ({
      path: `accessTiers.${name}`,
      fault: ({ accessTiers }) => {
        const { coolAfterDays, coldAfterDays, archiveAfterDays } = accessTiers[name];
        const days = [coolAfterDays, coldAfterDays, archiveAfterDays].filter((one) => one !== null);
        const isGrowing = days.every((one, index) => index === 0 || one > (days[index - 1] ?? 0));
        return isGrowing
          ? null
          : 'must grow from coolAfterDays over coldAfterDays to archiveAfterDays: a blob moves in this direction only';
      },
    }),
  ),
  {
    path: 'serve.auth.jwks.url',
    reads: ['serve.auth.jwks.url', 'serve.auth.jwks.issuer', 'serve.auth.jwks.audience'],
    fault: ({ serve: { auth } }) => {
      const { url, issuer, audience } = auth.jwks;
      if (url === null)
        return issuer === null && audience === null
          ? null
          : 'is null, but serve.auth.jwks.issuer or audience is given: give the URL, or remove them';
      const missing = [
        ...needed(issuer, 'serve.auth.jwks.issuer'),
        ...needed(audience, 'serve.auth.jwks.audience'),
      ];
      if (missing.length > 0)
        return `needs ${missing.join(' and ')}: else a token that was made for somebody else would pass`;
      return url.startsWith('https:') || isLoopbackUrl(url)
        ? null
        : 'must be https: whoever answers in its place decides which tokens are good';
    },
  },
  {
    path: 'serve.jobs.pollMs',
    reads: ['serve.jobs.pollMs', 'serve.jobs.leaseMs'],
    fault: ({ serve: { jobs } }) =>
      jobs.pollMs > jobs.leaseMs ? `must not exceed serve.jobs.leaseMs (${jobs.leaseMs})` : null,
  },
  {
    path: 'retry.initialMs',
    reads: ['retry.initialMs', 'retry.maxMs'],
    fault: ({ retry }) =>
      retry.initialMs > retry.maxMs ? `must not exceed retry.maxMs (${retry.maxMs})` : null,
  },
];

const touches = (issuePath: string, key: string): boolean =>
  issuePath === key || issuePath.startsWith(`${key}.`) || key.startsWith(`${issuePath}.`);

/** Marks the complaint of a limit, which says nothing against the keys that other limits read. */
const LIMIT = { isLimit: true } as const;

const isOfLimit = (issue: z.core.$ZodRawIssue): boolean =>
  issue.code === 'custom' && issue.params?.isLimit === true;

/** Adds the limits to the schema. Each runs even when keys that it does not read are faulty, so that all faults come at once. */
export function withLimits<Schema extends z.ZodType>(schema: Schema): Schema {
  return LIMITS.reduce(
    (limited, { path, reads = [path], fault }) =>
      limited.refine((config) => fault(config as Config) === null, {
        path: path.split('.'),
        params: LIMIT,
        error: ({ input }) => fault(input as Config) ?? '',
        when: ({ issues }) =>
          !issues.some(
            (issue) =>
              issue.code !== 'unrecognized_keys' &&
              !isOfLimit(issue) &&
              reads.some((key) => touches(issue.path?.join('.') ?? '', key)),
          ),
      }),
    schema,
  );
}
