/** Certificates for tests of TLS, made on the spot: an authority, a server on loopback, and a client with an encrypted key. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

export interface Certificates {
  readonly caFile: string;
  readonly server: {
    readonly cert: Buffer;
    readonly key: Buffer;
    readonly certFile: string;
    readonly keyFile: string;
  };
  readonly client: { readonly certFile: string; readonly keyFile: string; readonly keyPassword: string };
}

/** Needs the `openssl` command, which a machine with Java has through its package of authorities. */
export async function createCertificates(folder: string): Promise<Certificates> {
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execa('openssl', args, { cwd: folder });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const keyPassword = 'open sesame';

  await openssl(
    'req',
    '-x509',
    ...curve,
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=Test authority',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
  );
  await writeFile(at('server.ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  for (const [name, protection] of [
    ['server', ['-nodes']],
    ['client', ['-passout', `pass:${keyPassword}`]],
  ] as const) {
    await openssl(
      'req',
      ...curve,
      ...protection,
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
    );
    const extensions = name === 'server' ? ['-extfile', 'server.ext'] : [];
    await openssl(
      'x509',
      '-req',
      '-days',
      '2',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      ...extensions,
      '-out',
      `${name}.pem`,
    );
  }
  return {
    caFile: at('ca.pem'),
    server: {
      cert: await readFile(at('server.pem')),
      key: await readFile(at('server.key')),
      certFile: at('server.pem'),
      keyFile: at('server.key'),
    },
    client: { certFile: at('client.pem'), keyFile: at('client.key'), keyPassword },
  };
}
