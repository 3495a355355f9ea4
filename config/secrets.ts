/** Secrets come from the environment or from files: `passwordFile` beside `password`, or a configuration file that only its owner can read. */
import { readFile, stat } from 'node:fs/promises';
import type { Fault } from './faults.ts';
import { type ConfigKey, environmentVariable } from './keys.ts';
import { setValue, type Tree, valueAt } from './tree.ts';

/**
 * Replaces each `…File` by what the file holds, less one line end. A secret and its file in one layer are a fault;
 * in two layers the later one wins, as for any other key.
 */
export async function readSecretFiles(layer: Tree, keys: readonly ConfigKey[]): Promise<readonly Fault[]> {
  const faults: Fault[] = [];
  for (const { path, secretPath } of keys) {
    if (secretPath === null) continue;
    const file = valueAt(layer, path);
    if (typeof file !== 'string' || file === '') continue;
    const name = path.join('.');
    const inline = valueAt(layer, secretPath);
    if (inline !== undefined && inline !== null) {
      faults.push({ path: name, message: `and ${secretPath.join('.')} are both given: keep one` });
      continue;
    }
    try {
      const text = (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
      if (text === '') faults.push({ path: name, message: 'the file is empty', value: file });
      else setValue(layer, secretPath, text);
    } catch (error) {
      faults.push({ path: name, message: reasonOf(error), value: file });
    }
  }
  return faults;
}

/** Why a file cannot be read. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'permission denied';
  if (code === 'EISDIR') return 'it is a directory';
  return `it cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

/** Faults for secrets written out in a configuration file that others than its owner can read. */
export async function exposedSecrets(
  file: string,
  { layer, keys }: { layer: Tree; keys: readonly ConfigKey[] },
): Promise<readonly Fault[]> {
  const exposed = keys.filter(({ isSecret, path }) => {
    const value = valueAt(layer, path);
    return isSecret && typeof value === 'string' && !isForThisMachine(path, { value, layer });
  });
  if (exposed.length === 0 || (await isPrivate(file))) return [];
  return exposed.map(({ path }) => ({
    path: path.join('.'),
    message: `is a secret in a file that others can read: run chmod 600 ${file}, or use ${path.join('.')}File or ${environmentVariable(path)}`,
  }));
}

/** 0600 or less, or readable by the group when root owns it (as a mounted Kubernetes secret is). */
async function isPrivate(file: string): Promise<boolean> {
  if (process.platform === 'win32') return true;
  const { mode, uid } = await stat(file);
  return (mode & (uid === 0 ? 0o027 : 0o077)) === 0;
}

/** The account and key that Microsoft publishes for storage emulators; no secret to anyone. */
const EMULATOR = /(^|;)\s*(UseDevelopmentStorage=true|AccountName=devstoreaccount1)\s*(;|$)/i;

/** A password for a service on loopback guards nothing that a login on the machine does not. */
function isForThisMachine(
  path: readonly string[],
  { value, layer }: { value: string; layer: Tree },
): boolean {
  const urlAt = (...key: string[]) => isLoopbackUrl(valueAt(layer, key));
  const [service = ''] = path;
  switch (service) {
    case 'blob':
      return EMULATOR.test(value) || isLoopbackUrl(blobEndpoint(value)) || urlAt('blob', 'accountUrl');
    case 'kafka': {
      if (path.includes('oauthbearer')) return urlAt('kafka', 'sasl', 'oauthbearer', 'tokenEndpointUrl');
      const brokers = valueAt(layer, ['kafka', 'brokers']);
      return Array.isArray(brokers) && brokers.every((broker) => isLoopbackUrl(`kafka://${broker}`));
    }
    default:
      return urlAt(service, 'url');
  }
}

function blobEndpoint(connectionString: string): string | undefined {
  return /(?:^|;)\s*BlobEndpoint=([^;]+)/i.exec(connectionString)?.[1];
}

export function isLoopbackUrl(url: unknown): boolean {
  const host = typeof url === 'string' ? URL.parse(url)?.hostname : undefined;
  return (
    host !== undefined && (host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host))
  );
}
