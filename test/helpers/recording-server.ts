/** A real HTTP server that says what was asked of it, and answers as the test wants: for what a client puts on the wire. */
import { readFileSync } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import type { Certificates } from './certificates.ts';

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** The subject of the client's certificate, when it gave one. */
  readonly client: string | undefined;
}

export type Answer = (request: RecordedRequest, reply: FastifyReply, raw: FastifyRequest['raw']) => unknown;

export interface RecordingServer {
  readonly url: string;
  readonly port: number;
  readonly requests: readonly RecordedRequest[];
  close(): Promise<void>;
}

/** With certificates it speaks TLS, and insists on a client certificate unless told otherwise. */
export async function startRecordingServer(
  answer: Answer,
  { certificates, asksForClient = true }: { certificates?: Certificates; asksForClient?: boolean } = {},
): Promise<RecordingServer> {
  const requests: RecordedRequest[] = [];
  const https =
    certificates === undefined
      ? null
      : {
          cert: certificates.server.cert,
          key: certificates.server.key,
          ca: readFileSync(certificates.caFile),
          requestCert: asksForClient,
          rejectUnauthorized: asksForClient,
        };
  const app = fastify({ https, forceCloseConnections: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.all('/*', async (request, reply) => {
    const socket = request.raw.socket as Partial<TLSSocket>;
    const recorded = {
      method: request.method,
      path: request.url.split('?')[0] ?? '',
      query: request.query as Record<string, string>,
      headers: request.headers,
      body: typeof request.body === 'string' ? request.body : '',
      client: socket.getPeerCertificate?.().subject?.CN as string | undefined,
    };
    requests.push(recorded);
    return answer(recorded, reply, request.raw);
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `${https === null ? 'http' : 'https'}://localhost:${port}`,
    port,
    requests,
    close: () => app.close(),
  };
}

/** Cuts the connection without an answer. */
export const hangUp: Answer = (_request, reply, raw) => {
  raw.socket.destroy();
  return reply.hijack();
};

/** Takes the request and never answers. */
export const hang: Answer = (_request, reply) => reply.hijack();
