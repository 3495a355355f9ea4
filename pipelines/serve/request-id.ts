/** What a request is called in logs and answers. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export const REQUEST_ID_HEADER = 'x-request-id';

/** Others' ids end up in our log lines and headers. */
const SAFE = /^[A-Za-z0-9._:-]{1,64}$/;

/** The caller's own where it is harmless, so that their log and ours speak of the same. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers[REQUEST_ID_HEADER];
  return typeof given === 'string' && SAFE.test(given) ? given : randomUUID();
}
