/** Every configuration key: its type, its default, and the limits between keys. `default.yaml` documents each for people. */
import { z } from 'zod';
import {
  bytes,
  count,
  hostAndPort,
  httpUrl,
  identifier,
  longMilliseconds,
  milliseconds,
  oneOf,
  optionalText,
  secret,
  secretFile,
} from './fields.ts';
import { withLimits } from './limits.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const DAY_MS = 86_400_000;

/** A group of keys that may be left out whole: its own defaults then apply. */
function section<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape).prefault({} as never);
}

const clientTls = {
  caFile: optionalText(),
  certFile: optionalText(),
  keyFile: optionalText(),
  keyPassword: secret(),
  keyPasswordFile: secretFile(),
};

const topic = ({ partitions, retentionMs }: { partitions: number; retentionMs: number | null }) =>
  section({
    partitions: count({ most: 10_000 }).default(partitions),
    retentionMs: longMilliseconds(60_000).nullable().default(retentionMs),
    maxMessageBytes: bytes({ least: KIB, most: 64 * MIB }).default(MIB),
  });

const kafka = section({
  brokers: z
    .array(hostAndPort(), {
      error: ({ input }) =>
        input == null
          ? 'is required, for example [broker-1.example.net:9092]'
          : 'must be a list of host:port',
    })
    .min(1, 'must name at least one broker'),
  clientId: z.string().min(1, 'must not be empty').default('campaign-ledger'),
  groupPrefix: z.string().min(1, 'must not be empty').default('campaign-ledger'),
  topicPrefix: z
    .string()
    .regex(/^[A-Za-z0-9._-]{0,100}$/, 'must be letters, digits, dots, dashes and underscores, at most 100')
    .default(''),
  groupProtocol: oneOf(['classic', 'consumer']).default('classic'),
  assignmentStrategy: oneOf(['cooperative-sticky', 'range', 'roundrobin']).default('cooperative-sticky'),
  sessionTimeoutMs: milliseconds(1_000).default(10_000),
  maxPollIntervalMs: milliseconds(10_000).default(300_000),
  queuedMaxKbytes: count({ least: 64, most: 256 * KIB }).default(16 * KIB),
  requestTimeoutMs: milliseconds(1_000).default(30_000),
  tls: section({
    enabled: z.boolean('must be true or false').default(false),
    ...clientTls,
    verifyHostname: z.boolean('must be true or false').default(true),
  }),
  sasl: section({
    mechanism: oneOf(['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer']).nullable().default(null),
    username: optionalText(),
    password: secret(),
    passwordFile: secretFile(),
    oauthbearer: section({
      tokenEndpointUrl: httpUrl({ example: 'https://login.example.net/oauth2/token' })
        .nullable()
        .default(null),
      clientId: optionalText(),
      clientSecret: secret(),
      clientSecretFile: secretFile(),
      scope: optionalText(),
      extensions: optionalText(),
    }),
  }),
  topics: section({
    replicationFactor: count({ most: 32_767 }).default(3),
    timestampType: oneOf(['LogAppendTime', 'CreateTime']).default('LogAppendTime'),
    deadLetterRetentionMs: longMilliseconds(60_000)
      .nullable()
      .default(90 * DAY_MS),
    definitions: topic({ partitions: 12, retentionMs: null }),
    delivery: topic({ partitions: 12, retentionMs: 7 * DAY_MS }),
    feedback: topic({ partitions: 12, retentionMs: 7 * DAY_MS }),
    profiles: topic({ partitions: 12, retentionMs: 7 * DAY_MS }),
  }),
  properties: z
    .record(
      z.string(),
      z.union([z.string(), z.number(), z.boolean()], 'must be text, a number, true or false'),
    )
    .default({}),
});

const schemaRegistry = section({
  url: httpUrl({ example: 'http://127.0.0.1:8081' }),
  username: optionalText(),
  password: secret(),
  passwordFile: secretFile(),
  tls: section(clientTls),
  timeoutMs: milliseconds(100).default(10_000),
});

const clickhouse = section({
  url: httpUrl({ example: 'http://127.0.0.1:8123' }),
  database: identifier().default('ledger'),
  biDatabase: identifier().default('ledger_bi'),
  username: z.string().min(1, 'must not be empty').default('default'),
  password: secret(),
  passwordFile: secretFile(),
  cluster: identifier().nullable().default(null),
  tls: section(clientTls),
  requestTimeoutMs: milliseconds(1_000).default(120_000),
});

const blob = section({
  connectionString: secret(),
  connectionStringFile: secretFile(),
  accountUrl: httpUrl({ example: 'https://example.blob.core.windows.net' }).nullable().default(null),
  sasToken: secret(),
  sasTokenFile: secretFile(),
  identity: oneOf(['default', 'managed', 'workload']).nullable().default(null),
  identityClientId: optionalText(),
  container: z
    .string()
    .regex(
      /^(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*$/,
      'must be 3 to 63 lower-case letters, digits and single dashes',
    )
    .default('campaign-ledger'),
  prefix: z
    .string()
    .regex(
      /^([A-Za-z0-9._=-]+\/)*$/,
      "must be empty, or path parts each ending in '/', for example prod/ledger/",
    )
    .max(200, 'must be at most 200 characters')
    .default(''),
  requestTimeoutMs: milliseconds(1_000).default(30_000),
});

const pipeline = (defaults: {
  maxBatchRecords: number;
  maxBatchBytes: number;
  flushIntervalMs: number;
  maxBufferedBytes: number;
}) =>
  section({
    maxBatchRecords: count({ most: 10_000_000 }).default(defaults.maxBatchRecords),
    maxBatchBytes: bytes({ least: 64 * KIB, most: GIB }).default(defaults.maxBatchBytes),
    flushIntervalMs: milliseconds(10).default(defaults.flushIntervalMs),
    maxBufferedBytes: bytes({ least: 64 * KIB, most: 4 * GIB }).default(defaults.maxBufferedBytes),
  });

const tables = ({ ttlDays }: { ttlDays: number | null }) =>
  section({ ttlDays: count({ most: 1_000_000 }).nullable().default(ttlDays) });

const tiers = () => {
  const days = () => count({ least: 0, most: 36_500 }).nullable().default(null);
  return section({ coolAfterDays: days(), coldAfterDays: days(), archiveAfterDays: days() });
};

const serve = section({
  host: z.string().min(1, 'must not be empty').default('127.0.0.1'),
  port: count({ least: 0, most: 65_535 }).default(8480),
  auth: section({
    keysFile: optionalText(),
    jwks: section({
      url: httpUrl({ example: 'https://login.example.net/.well-known/jwks.json' }).nullable().default(null),
      issuer: optionalText(),
      audience: optionalText(),
      tenantsClaim: z.string().min(1, 'must not be empty').default('tenants'),
    }),
  }),
  maxConcurrentReports: count({ most: 1_000 }).default(16),
  maxWaitingReports: count({ least: 0, most: 100_000 }).default(200),
  syncMaxEvents: count({ most: 1_000_000 }).default(10_000),
  freshnessMs: milliseconds(0).default(1_000),
  requestTimeoutMs: milliseconds(100).default(30_000),
  maxBodyBytes: bytes({ least: KIB, most: MIB }).default(64 * KIB),
  rateLimit: section({
    maxRequests: count({ most: 100_000_000 }).default(600),
    windowMs: milliseconds(1_000).default(60_000),
  }),
  jobs: section({
    maxConcurrent: count({ least: 0, most: 64 }).default(2),
    expireAfterHours: count({ most: 8_760 }).default(24),
    pollMs: milliseconds(100).default(2_000),
    leaseMs: milliseconds(1_000).default(30_000),
  }),
});

export const configSchema = withLimits(
  z.strictObject({
    kafka,
    schemaRegistry,
    clickhouse,
    blob,
    pipelines: section({
      tracking: pipeline({
        maxBatchRecords: 100_000,
        maxBatchBytes: 32 * MIB,
        flushIntervalMs: 2_000,
        maxBufferedBytes: 64 * MIB,
      }),
      archive: pipeline({
        maxBatchRecords: 100_000,
        maxBatchBytes: 32 * MIB,
        flushIntervalMs: 60_000,
        maxBufferedBytes: 64 * MIB,
      }),
      profiles: pipeline({
        maxBatchRecords: 10_000,
        maxBatchBytes: 8 * MIB,
        flushIntervalMs: 2_000,
        maxBufferedBytes: 32 * MIB,
      }),
    }),
    validation: section({
      earliestEventTime: z.iso
        .datetime({
          offset: true,
          error: 'must be an ISO 8601 time with a zone, for example 2000-01-01T00:00:00Z',
        })
        .refine((time) => Date.parse(time) >= 0, {
          error: 'must not be before 1970: days are counted from there',
          // Of a text that is no time this would be said as well, and be wrong.
          when: ({ issues }) => issues.length === 0,
        })
        .default('2000-01-01T00:00:00Z'),
      maxFutureMs: milliseconds(0).default(DAY_MS),
    }),
    retention: section({
      tracking: tables({ ttlDays: 90 }),
      messages: tables({ ttlDays: 730 }),
      profileChanges: tables({ ttlDays: null }),
      maxBytes: bytes({ least: 64 * KIB, most: Number.MAX_SAFE_INTEGER })
        .nullable()
        .default(null),
      lowWaterPercent: count({ most: 100 }).default(90),
      intervalMs: milliseconds(1_000).nullable().default(3_600_000),
      replacedFilesGraceMs: longMilliseconds(60_000).default(DAY_MS),
    }),
    accessTiers: section({ raw: tiers(), tracking: tiers() }),
    retry: section({
      initialMs: milliseconds(1).default(250),
      maxMs: milliseconds(1).default(30_000),
    }),
    http: section({
      host: z.string().min(1, 'must not be empty').default('127.0.0.1'),
      port: count({ least: 0, most: 65_535 }).nullable().default(0),
    }),
    serve,
    log: section({
      level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
      format: oneOf(['auto', 'json', 'pretty']).default('auto'),
    }),
    shutdownTimeoutMs: milliseconds(100).default(10_000),
  }),
);

type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** The whole configuration, checked and frozen. */
export type Config = DeepReadonly<z.output<typeof configSchema>>;

/** What may be given: every key that has a default may be left out. */
export type ConfigInput = z.input<typeof configSchema>;

export type PipelineName = keyof Config['pipelines'];
