/** The certificates and keys of the configuration: read and checked for Node's own TLS clients, and for librdkafka. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { reasonOf } from '../../config/secrets.ts';
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

/** What is wrong with one of the files. */
export interface TlsFault {
  readonly key: 'caFile' | 'certFile' | 'keyFile';
  readonly file: string;
  /** In words that follow the name of the file. */
  readonly reason: string;
}

/**
 * What `https.Agent`, undici and the SDKs take; empty when nothing is configured.
 * @param section names the files in errors, for example `clickhouse.tls`
 * @throws {UsageError} a file cannot be read, or does not hold what it should
 */
export function readTls(section: string, files: TlsFiles): TlsMaterial {
  const { material, faults } = checkTls(files);
  if (faults.length === 0) return material;
  throw new UsageError(
    faults.map(({ key, file, reason }) => `${section}.${key}: ${file}: ${reason}`).join('\n'),
  );
}

/** As `readTls`, but hands back what is wrong, file by file. */
export function checkTls(files: TlsFiles): { material: TlsMaterial; faults: readonly TlsFault[] } {
  const faults: TlsFault[] = [];
  const read = (key: TlsFault['key'], check: (content: Buffer) => string | null): Buffer | null => {
    const file = files[key];
    if (file === null) return null;
    try {
      const content = readFileSync(file);
      const reason = check(content);
      if (reason === null) return content;
      faults.push({ key, file, reason });
    } catch (error) {
      faults.push({ key, file, reason: reasonOf(error) });
    }
    return null;
  };
  const ca = read('caFile', certificatesFault);
  const cert = read('certFile', certificatesFault);
  const key = read('keyFile', (content) => keyFault(content, { cert, files }));
  return {
    material: {
      ...(ca === null ? {} : { ca }),
      ...(cert === null ? {} : { cert }),
      ...(key === null ? {} : { key }),
      ...(files.keyPassword === null ? {} : { passphrase: files.keyPassword }),
    },
    faults,
  };
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----.*?-----END [^-]*-----/gs;

/** TLS itself would take a file without any for an empty list of authorities, and trust nobody. */
function certificatesFault(content: Buffer): string | null {
  const blocks = content.toString('latin1').match(CERTIFICATE) ?? [];
  if (blocks.length === 0) return 'it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)';
  const isBroken = blocks.some((block) => {
    try {
      return new X509Certificate(block).subject === null;
    } catch {
      return true;
    }
  });
  return isBroken ? 'it holds a certificate that cannot be read' : null;
}

/** Without a certificate that is right itself only the key's form is looked at. */
function keyFault(key: Buffer, { cert, files }: { cert: Buffer | null; files: TlsFiles }): string | null {
  const text = key.toString('latin1');
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    return 'it holds no private key in PEM (-----BEGIN PRIVATE KEY-----)';
  }
  try {
    createSecureContext({
      key,
      ...(cert === null ? {} : { cert }),
      ...(files.keyPassword === null ? {} : { passphrase: files.keyPassword }),
    });
    return null;
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (code.endsWith('_MISMATCH')) return `it is not the key of the certificate in ${files.certFile}`;
    if (!text.includes('ENCRYPTED')) return `it cannot be used: ${message}`;
    return files.keyPassword === null
      ? 'it is encrypted: give keyPassword (or keyPasswordFile)'
      : 'it cannot be decrypted with keyPassword';
  }
}
