/** A file with certificates or a key that no connection could be made with is a fault of the configuration. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Certificates, createCertificates } from '../helpers/certificates.ts';
import { faultsOf } from '../helpers/config.ts';

let folder: string;
let certificates: Certificates;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ledger-tls-files-'));
  certificates = await createCertificates(folder);
});
afterAll(() => rm(folder, { recursive: true }));

const SECTIONS = [
  ['kafka', { tls: { enabled: true } }],
  ['schemaRegistry', { url: 'https://registry.example.net' }],
  ['clickhouse', { url: 'https://clickhouse.example.net' }],
] as const;

describe.each(SECTIONS)('%s', (section, settings) => {
  const faultsWith = (tls: Record<string, string>) =>
    faultsOf({ [section]: { ...settings, tls: { ...('tls' in settings ? settings.tls : {}), ...tls } } });

  test('files that are right are accepted', async () => {
    expect(await faultsWith({ caFile: certificates.caFile, ...certificates.client })).toEqual([]);
  });

  test('each that is missing is named under its key', async () => {
    const none = join(folder, 'none.pem');
    expect(await faultsWith({ caFile: none, certFile: none, keyFile: none })).toEqual(
      ['caFile', 'certFile', 'keyFile'].map(
        (key) => `${section}.tls.${key}: there is no such file (found "${none}")`,
      ),
    );
    expect(await faultsWith({ caFile: folder })).toEqual([
      `${section}.tls.caFile: it is a directory (found "${folder}")`,
    ]);
  });

  test.skipIf(process.getuid?.() === 0)('one that may not be read', async () => {
    const caFile = join(folder, `${section}.pem`);
    await writeFile(caFile, await readFile(certificates.caFile));
    await chmod(caFile, 0);
    expect(await faultsWith({ caFile })).toEqual([
      `${section}.tls.caFile: permission denied (found "${caFile}")`,
    ]);
  });

  test('an authority that is no certificate, and one that is cut short', async () => {
    const noPem = join(folder, 'no.pem');
    await writeFile(noPem, 'no certificate');
    expect(await faultsWith({ caFile: noPem })).toEqual([
      `${section}.tls.caFile: it holds no certificate in PEM (-----BEGIN CERTIFICATE-----) (found "${noPem}")`,
    ]);
    const cut = join(folder, 'cut.pem');
    const pem = await readFile(certificates.caFile, 'utf8');
    await writeFile(cut, `${pem}${pem.replace(/\n.*\n/, '\n')}`);
    expect(await faultsWith({ caFile: cut })).toEqual([
      `${section}.tls.caFile: it holds a certificate that cannot be read (found "${cut}")`,
    ]);
  });

  test('a key that belongs to another certificate, that is none, or that the pass phrase does not open', async () => {
    const { server, client } = certificates;
    expect(await faultsWith({ certFile: client.certFile, keyFile: server.keyFile })).toEqual([
      `${section}.tls.keyFile: it is not the key of the certificate in ${client.certFile} (found "${server.keyFile}")`,
    ]);
    expect(await faultsWith({ certFile: client.certFile, keyFile: client.certFile })).toEqual([
      expect.stringMatching(/\.tls\.keyFile: it holds no private key in PEM/),
    ]);
    expect(await faultsWith({ ...client, keyPassword: 'TOPSECRET' })).toEqual([
      `${section}.tls.keyFile: it cannot be decrypted with keyPassword (found "${client.keyFile}")`,
    ]);
    expect(await faultsWith({ certFile: client.certFile, keyFile: client.keyFile })).toEqual([
      expect.stringMatching(/\.tls\.keyFile: it is encrypted: give keyPassword/),
    ]);
  });
});
