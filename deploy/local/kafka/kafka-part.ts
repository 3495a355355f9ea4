/** A real Apache Kafka on one machine: one process that is broker and controller, from the published jars. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { UsageError } from '../../../pipelines/common/errors.ts';
import { findJava } from '../setup/java.mjs';
import { classArchiveOptions } from '../setup/kafka-classes.mjs';
import type { PartSpec } from '../supervisor/part.ts';
import { probeKafka } from './probe.ts';
import { formatProperties, type KafkaProperties, serverProperties } from './server-properties.ts';

export interface KafkaPartOptions {
  /** Everything Kafka keeps is in here. */
  readonly dataDir: string;
  readonly logFile: string;
  readonly port: number;
  /** The controller's own listener; nobody else speaks to it. */
  readonly controllerPort: number;
  /** Added to server.properties, or instead of what stands there. */
  readonly properties?: KafkaProperties;
}

const JARS = fileURLToPath(new URL('../../../.tools/kafka/lib', import.meta.url));
/** Java takes the encoding of arguments and of file names from the locale, and turns what that cannot spell into `?`. */
const LOCALE = { LC_ALL: 'C.UTF-8' } as const;

const LOG_SETTINGS = fileURLToPath(new URL('log4j2.properties', import.meta.url));

export function kafkaPart(options: KafkaPartOptions): PartSpec {
  const { dataDir, logFile, port } = options;
  const properties = join(dataDir, 'server.properties');
  return {
    name: 'kafka',
    logFile,
    readyTimeoutMs: 60_000,
    stopTimeoutMs: 20_000,

    async prepare() {
      await mkdir(dataDir, { recursive: true });
      await formatOnce(dataDir);
      await writeFile(
        properties,
        formatProperties(serverProperties({ ...options, logDir: logDirOf(dataDir) })),
      );
    },

    command: () => ({
      file: javaFile(),
      args: [
        '-Xms128m',
        '-Xmx512m',
        // Two cores are shared with everything else: parallel collectors would take both at once.
        '-XX:+UseSerialGC',
        '-XX:+ExitOnOutOfMemoryError',
        `-XX:ErrorFile=${join(dirname(logFile), 'kafka-crash-%p.log')}`,
        '-Djava.awt.headless=true',
        '-Djava.net.preferIPv4Stack=true',
        `-Dlog4j2.configurationFile=${LOG_SETTINGS}`,
        ...classOptions(),
        'kafka.Kafka',
        properties,
      ],
      env: LOCALE,
      endsWithStdin: false,
    }),

    probe: (signal) => probeKafka(`127.0.0.1:${port}`, signal),
  };
}

function logDirOf(dataDir: string): string {
  return join(dataDir, 'log');
}

/**
 * Storage is formatted beside its place and then moved there, so that a format that was cut short leaves nothing that
 * could pass for a log directory. The cluster id that it writes stays for good.
 */
async function formatOnce(dataDir: string): Promise<void> {
  const logDir = logDirOf(dataDir);
  if (existsSync(logDir)) return;
  const fresh = `${logDir}.new`;
  const properties = join(dataDir, 'format.properties');
  await rm(fresh, { recursive: true, force: true });
  // The tool checks the whole file; which ports stand in it leaves no trace in what it writes.
  await writeFile(
    properties,
    formatProperties(serverProperties({ logDir: fresh, port: 9092, controllerPort: 9093 })),
  );
  // Its first character may not be a dash: the tool would take the id for an option.
  const clusterId = `L${randomBytes(16).toString('base64url').slice(1)}`;
  const flags = ['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', ...classOptions()];
  const args = [
    ...flags,
    `-Dlog4j2.configurationFile=${LOG_SETTINGS}`,
    'kafka.tools.StorageTool',
    'format',
    '--cluster-id',
    clusterId,
    '--config',
    properties,
  ];
  await promisify(execFile)(javaFile(), args, { env: { ...process.env, ...LOCALE } });
  await rename(fresh, logDir);
  await rm(properties);
}

function classOptions(): string[] {
  if (!existsSync(JARS))
    throw new UsageError(`kafka: its jars are not in ${JARS}; npm run setup brings them`);
  return [...classArchiveOptions(), '-cp', join(JARS, '*')];
}

function javaFile(): string {
  const java = findJava();
  if (java === null) throw new UsageError('kafka: Java 17 or newer is needed; npm run setup brings it');
  return java;
}
