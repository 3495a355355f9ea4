/** A time limit for requests to Blob Storage: the SDK's own (`tryTimeoutInMs`) is only passed on to the server. */
import type { Readable } from 'node:stream';
import type { RequestPolicyFactory } from '@azure/storage-blob';

/**
 * A request without an answer's headers in time is aborted, and so is a body in which nothing arrives for as long: a
 * service that accepts and then is silent would otherwise hold a pipeline for ever.
 */
export function requestTimeout(timeoutMs: number): RequestPolicyFactory {
  return {
    create: (next) => ({
      async sendRequest(request) {
        request.timeout = timeoutMs;
        const response = await next.sendRequest(request).catch((error: unknown) => {
          throw isOurAbort(error) ? timedOut(`no answer in ${timeoutMs} ms`, error) : error;
        });
        endWhenSilent(response.readableStreamBody as Stalling | undefined, timeoutMs);
        return response;
      },
    }),
  };
}

/** Node's IncomingMessage: `setTimeout` counts from the last byte of the socket. */
type Stalling = Readable & { setTimeout?(timeoutMs: number, onSilence: () => void): void };

function endWhenSilent(body: Stalling | undefined, timeoutMs: number): void {
  body?.setTimeout?.(timeoutMs, () => {
    body.destroy(timedOut(`no byte of the body came for ${timeoutMs} ms`));
  });
}

/** No caller hands the SDK a signal of its own: what is aborted was aborted by the limit, and says only that it was. */
function isOurAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function timedOut(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code: 'ETIMEDOUT' });
}
