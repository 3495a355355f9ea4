/** A token of Kafka's OAuth, fetched as librdkafka fetches its own, for the client that is not librdkafka. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import type { Config } from '../../../config/schema.ts';
import { reasonOf } from '../../../config/secrets.ts';
import { UsageError } from '../../../pipelines/common/errors.ts';

type KafkaConfig = Config['kafka'];

const TIMEOUT_MS = 30_000;

/**
 * RFC 6749 section 4.4, as librdkafka's `oidc` method does it.
 * @param properties of which those that say whom librdkafka trusts at the endpoint hold here too
 */
export async function fetchToken(
  { tokenEndpointUrl, clientId, clientSecret, scope }: KafkaConfig['sasl']['oauthbearer'],
  properties: KafkaConfig['properties'],
): Promise<string> {
  const login = `${encodeURIComponent(clientId ?? '')}:${encodeURIComponent(clientSecret ?? '')}`;
  const ca = await authorities(properties);
  const dispatcher = new Agent(ca === null ? {} : { connect: { ca } });
  try {
    const response = await request(tokenEndpointUrl ?? '', {
      dispatcher,
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(login).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        ...(scope === null ? {} : { scope }),
      }).toString(),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const body = (await response.body.json()) as { access_token?: unknown };
    if (response.statusCode !== 200 || typeof body.access_token !== 'string') {
      throw new Error(`the token endpoint answered with ${response.statusCode}`);
    }
    return body.access_token;
  } finally {
    await dispatcher.destroy();
  }
}

/** `https.ca.pem`, or the file or the files of the folder that `https.ca.location` names; null for Node's own list. */
async function authorities(properties: KafkaConfig['properties']): Promise<string | string[] | null> {
  const { 'https.ca.pem': pem, 'https.ca.location': location } = properties;
  if (pem !== undefined) return String(pem);
  if (location === undefined || location === 'probe') return null;
  const path = String(location);
  try {
    if (!(await stat(path)).isDirectory()) return await readFile(path, 'utf8');
    const entries = await readdir(path, { withFileTypes: true });
    const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => join(path, name));
    return await Promise.all(files.map((file) => readFile(file, 'utf8')));
  } catch (error) {
    throw new UsageError(`kafka.properties: https.ca.location: ${path}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}
