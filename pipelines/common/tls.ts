/** The certificates and keys of the configuration, read for Node's own TLS clients. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { UsageError } from './errors.ts';

export interface TlsFiles {
  readonly caFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
  readonly keyPassword: string | null;
}

export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly passphrase?: string;
}

/**
 * What `https.Agent`, undici and the SDKs take; empty when nothing is configured.
 * @param section names the files in errors, for example `clickhouse.tls`
 * @throws {UsageError} a file cannot be read, or does not hold what it should
 */
export function readTls(section: string, { caFile, certFile, keyFile, keyPassword }: TlsFiles): TlsMaterial {
  const material: TlsMaterial = {
    ...(caFile === null ? {} : { ca: read(`${section}.caFile`, caFile) }),
    ...(certFile === null ? {} : { cert: read(`${section}.certFile`, certFile) }),
    ...(keyFile === null ? {} : { key: read(`${section}.keyFile`, keyFile) }),
    ...(keyPassword === null ? {} : { passphrase: keyPassword }),
  };
  try {
    createSecureContext(material);
  } catch (error) {
    throw new UsageError(
      `${section}: the certificates or the key cannot be used: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  return material;
}

function read(key: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`${key}: ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
