/** The schema registry as a part of the local stack. */
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import type { PartSpec } from '../supervisor/part.ts';

export interface RegistryPartOptions {
  readonly dataDir: string;
  readonly logFile: string;
  readonly port: number;
}

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

export function registryPart({ dataDir, logFile, port }: RegistryPartOptions): PartSpec {
  return {
    name: 'registry',
    logFile,
    readyTimeoutMs: 30_000,
    stopTimeoutMs: 5_000,
    command: () => ({
      file: process.execPath,
      args: [MAIN, '--data', dataDir, '--port', String(port), '--exit-with-stdin'],
      endsWithStdin: true,
    }),
    probe: (signal) => probeRegistry(`http://127.0.0.1:${port}`, signal),
  };
}

const PROBE_SUBJECT = 'stack-probe';
/** A schema that everybody may have: it takes one id, once, and its subject does not show. */
const PROBE_SCHEMA = '"bytes"';

/** Registering is refused in this mode, which somebody may have set; nothing is wrong then. */
const READ_ONLY = 42205;

/** Ready means: a schema was registered and read back. */
async function probeRegistry(url: string, signal: AbortSignal): Promise<void> {
  const ask = async (method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) => {
    const response = await request(url + path, {
      method,
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = (await response.body.json()) as { id?: number; schema?: string; error_code?: number };
    if (response.statusCode !== 200 && answer.error_code !== READ_ONLY)
      throw new Error(`${method} ${path}: ${response.statusCode} ${JSON.stringify(answer)}`);
    return answer;
  };
  const path = `/subjects/${PROBE_SUBJECT}`;
  const { id } = await ask('POST', `${path}/versions`, { schema: PROBE_SCHEMA });
  if (id === undefined) return;
  const { schema } = await ask('GET', `/schemas/ids/${id}`);
  if (schema !== PROBE_SCHEMA) throw new Error(`the schema came back as ${schema}`);
  await ask('DELETE', path);
  await ask('DELETE', `${path}?permanent=true`);
}
