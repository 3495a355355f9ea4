/** An HTTP proxy that fails on demand: before a request reaches the server, in the middle, or after it was done and before the answer. */
import {
  type ClientRequest,
  createServer,
  request as forward,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * `refuse`: the server never hears of it. `lose`: the server does it, and the answer is lost. `hang`: the server never hears of it and
 * nobody answers. `cut-request`: the server gets half of the body, then the connection breaks on both sides. `cut-answer`:
 * the server does it, and half of the answer comes. A number: the server never hears of it, and this status is the answer.
 */
export type Fate = 'pass' | 'refuse' | 'lose' | 'hang' | 'cut-request' | 'cut-answer' | 500 | 503 | 429;

/** A request that the server has in full and has not answered yet. */
export interface UnderWay {
  readonly request: IncomingMessage;
  readonly isAnswered: () => boolean;
}

export interface CuttingProxy {
  readonly url: string;
  /** Asked for every request, numbered from 1. */
  fate: (number: number, request: IncomingMessage) => Fate;
  /** Awaited before a request is passed on. */
  before: (request: IncomingMessage) => Promise<void> | undefined;
  /** Called when the server has a request in full. */
  onUnderWay: (one: UnderWay) => void;
  /** Called with the server's own status, before the answer is passed on or lost. */
  onAnswer: (request: IncomingMessage, status: number) => void;
  /** Requests since the start, or since it was set. */
  requests: number;
  /** Those of them that the server has done (2xx), and of whose answers nothing came back. */
  lost: number;
  close(): Promise<void>;
}

/** @param target of the server, for example `http://127.0.0.1:10000` */
export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const server = createServer((request, response) => {
    // One of the two ends of a connection that was cut is still written to.
    request.on('error', () => {});
    response.on('error', () => {});
    proxy.requests += 1;
    const fate = proxy.fate(proxy.requests, request);
    if (fate === 'refuse') request.socket.destroy();
    else if (fate === 'hang') request.resume();
    else if (typeof fate === 'number') answer(request, response, fate);
    else {
      const waited = proxy.before(request);
      if (waited === undefined) pass(request, response, fate);
      else void waited.then(() => pass(request, response, fate));
    }
  });

  const pass = (request: IncomingMessage, response: ServerResponse, fate: Fate) => {
    const { method, url: path, headers } = request;
    let isAnswered = false;
    const onward = forward({ hostname, port, method, path, headers }, (reply) => {
      isAnswered = true;
      const status = reply.statusCode ?? 502;
      proxy.onAnswer(request, status);
      reply.on('error', () => request.socket.destroy());
      if (fate === 'lose') {
        if (status < 300) proxy.lost += 1;
        reply.resume().on('end', () => request.socket.destroy());
        return;
      }
      response.writeHead(status, reply.rawHeaders);
      if (fate === 'cut-answer') cutAnswer(reply, response);
      else reply.pipe(response);
    });
    onward.on('error', () => request.socket.destroy());
    onward.on('finish', () => proxy.onUnderWay({ request, isAnswered: () => isAnswered }));
    if (fate === 'cut-request') cutRequest(request, onward);
    else request.pipe(onward);
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: CuttingProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fate: () => 'pass',
    before: () => undefined,
    onUnderWay: () => {},
    onAnswer: () => {},
    requests: 0,
    lost: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return proxy;
}

/** As a load balancer answers that finds nobody behind it: in its own words. */
function answer(request: IncomingMessage, response: ServerResponse, status: number): void {
  request.resume();
  const headers = { 'content-type': 'text/html', ...(status === 429 ? { 'retry-after': '1' } : {}) };
  request.on('end', () => response.writeHead(status, headers).end(`<html><h1>${status}</h1></html>`));
}

function cutRequest(request: IncomingMessage, onward: ClientRequest): void {
  const body: Buffer[] = [];
  request.on('data', (chunk: Buffer) => body.push(chunk));
  request.on('end', () => {
    const whole = Buffer.concat(body);
    onward.write(whole.subarray(0, Math.floor(whole.length / 2)), () => {
      onward.destroy();
      request.socket.destroy();
    });
  });
}

function cutAnswer(reply: IncomingMessage, response: ServerResponse): void {
  const body: Buffer[] = [];
  reply.on('data', (chunk: Buffer) => body.push(chunk));
  reply.on('end', () => {
    const whole = Buffer.concat(body);
    // Of an answer without a body its headers are half.
    response.write(whole.subarray(0, Math.floor(whole.length / 2)));
    response.flushHeaders();
    setTimeout(() => response.socket?.destroy(), 5);
  });
}
