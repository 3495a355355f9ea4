/** One HTTP exchange with the schema registry: address, login, certificates and time limit from the configuration. */
import { Agent, request } from 'undici';
import type { Config } from '../../../config/schema.ts';
import { isOutageStatus } from '../connection-errors.ts';
import { Outage } from '../errors.ts';
import { readTls } from '../tls.ts';

export interface RegistryAnswer {
  readonly status: number;
  /** Parsed JSON, or the text where it is none. */
  readonly body: unknown;
}

export interface RegistryHttp {
  /**
   * Any answer of the registry itself, also 404, 409 and 422: what these mean is for the caller to say.
   * @param path from the root, each part encoded, for example `/subjects/a%2Fb/versions`
   * @throws {Outage} no answer in time, or one that speaks of the registry's state (5xx, 429), or refuses the login
   */
  send(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<RegistryAnswer>;
  close(): Promise<void>;
}

const MEDIA_TYPE = 'application/vnd.schemaregistry.v1+json';
/** Bytes. Schemas are small; a stream without end is not one. */
export const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;

export function createRegistryHttp(
  settings: Config['schemaRegistry'],
  { connections = 8 }: { connections?: number } = {},
): RegistryHttp {
  const { url, username, password, timeoutMs, tls } = settings;
  const base = url.replace(/\/+$/, '');
  const agent = new Agent({
    connections,
    connectTimeout: timeoutMs,
    maxResponseSize: MAX_RESPONSE_BYTES,
    connect: readTls('schemaRegistry.tls', tls),
  });
  const login = username === null ? {} : { authorization: basicAuthorization(username, password ?? '') };

  return {
    async send(method, path, body) {
      const what = `${method} ${path}`;
      try {
        const response = await request(base + path, {
          method,
          dispatcher: agent,
          headers: {
            accept: `${MEDIA_TYPE}, application/json`,
            ...login,
            ...(body === undefined ? {} : { 'content-type': MEDIA_TYPE }),
          },
          body: body === undefined ? null : JSON.stringify(body),
          // One limit over all of it: a connection that stalls in the middle of an answer must not wait for ever.
          signal: AbortSignal.timeout(timeoutMs),
        });
        const answer = { status: response.statusCode, body: parsed(await response.body.text()) };
        if (isRefusal(answer.status))
          throw outage(`${what} was answered with ${answer.status}${loginAdvice(answer.status)}`);
        return answer;
      } catch (error) {
        if (error instanceof Outage) throw error;
        throw outage(`${what} failed: ${messageOf(error)}`, error);
      }
    },
    close: () => agent.destroy(),
  };
}

/** RFC 7617. */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

/** Of the request as such, whatever it asked for: the registry is unwell, or somebody has to let us in. */
function isRefusal(status: number): boolean {
  return isOutageStatus(status) || status === 401 || status === 403;
}

/** For the end of a message about an answer. */
export function loginAdvice(status: number | undefined): string {
  return status === 401 || status === 403 ? ': check schemaRegistry.username and password' : '';
}

function outage(message: string, cause?: unknown): Outage {
  return new Outage('schemaRegistry', message, { cause });
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A refused connection to a name with several addresses is an AggregateError without a message.
  return error.message || (error as NodeJS.ErrnoException).code || error.name;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
