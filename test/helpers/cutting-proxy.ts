/** An HTTP proxy that fails on demand: before a request reaches the server, or after it was done and before the answer. */
import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** `refuse`: the server never hears of it. `lose`: the server does it, and the answer is lost. */
export type Fate = 'pass' | 'refuse' | 'lose';

export interface CuttingProxy {
  readonly url: string;
  /** Asked for every request, numbered from 1. */
  fate: (number: number, request: IncomingMessage) => Fate;
  /** Requests since the start, or since it was set. */
  requests: number;
  close(): Promise<void>;
}

/** @param target of the server, for example `http://127.0.0.1:10000` */
export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const server = createServer((request, response) => {
    proxy.requests += 1;
    const fate = proxy.fate(proxy.requests, request);
    if (fate === 'refuse') request.socket.destroy();
    else pass(request, response, fate);
  });

  const pass = (request: IncomingMessage, response: ServerResponse, fate: Fate) => {
    const { method, url: path, headers } = request;
    const onward = forward({ hostname, port, method, path, headers }, (answer) => {
      if (fate === 'lose') {
        answer.resume().on('end', () => request.socket.destroy());
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(response);
    });
    onward.on('error', () => request.socket.destroy());
    request.pipe(onward);
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: CuttingProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fate: () => 'pass',
    requests: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return proxy;
}
