/** For how long an answer is worth making: until the time is over, or nobody waits for it any more. */
import type { FastifyReply } from 'fastify';
import { Problem } from './problems.ts';

/** Whoever asked has gone: there is nobody to be told. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

export interface RequestSignal extends Disposable {
  readonly signal: AbortSignal;
}

/** Dispose of it when the answer has been sent. */
export function requestSignal(reply: FastifyReply, timeoutMs: number): RequestSignal {
  const abort = new AbortController();
  const { raw } = reply;
  const timer = setTimeout(() => {
    abort.abort(
      new Problem(
        'timeout',
        `there was no answer in ${timeoutMs} ms; ask for the report with POST /v1/reports`,
      ),
    );
    // Too late to say so where a part of the answer is under way.
    if (raw.headersSent) raw.destroy();
  }, timeoutMs);
  timer.unref();
  const onClose = (): void => {
    if (!raw.writableFinished) abort.abort(new ClientGone('the client has closed the connection'));
  };
  raw.once('close', onClose);
  return {
    signal: abort.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      raw.off('close', onClose);
    },
  };
}

/** Rejects with the signal's reason as soon as there is one; what the work then still comes to is handed to `discard`. */
export async function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal,
  discard: (late: T) => void = () => {},
): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => {
    work.then(discard, () => {});
    reject(signal.reason);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
