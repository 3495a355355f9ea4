/** An HTTP proxy in front of a service that counts: requests, and the bytes of the bodies that were answered. It can make requests wait. */
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CountedRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly status: number;
  /** Of the answer's body. */
  readonly bytes: number;
}

export interface CountingProxy {
  readonly url: string;
  /** Those that were answered in full, since the start or since they were taken. */
  take(): CountedRequest[];
  /** Awaited before a request is passed on. @param path with its query */
  before: (path: string) => Promise<void> | void;
  close(): Promise<void>;
}

/** @param target of the server, for example `http://127.0.0.1:10000` */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(target);
  let counted: CountedRequest[] = [];
  const server = createServer((request, response) => {
    const { method = '', url: path = '', headers } = request;
    const onward = forward({ hostname, port, method, path, headers }, (reply) => {
      let bytes = 0;
      const status = reply.statusCode ?? 502;
      reply.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      // Before the answer ends, so that who has it finds it counted.
      reply.on('end', () => counted.push({ method, path, status, bytes }));
      response.writeHead(status, reply.rawHeaders);
      reply.pipe(response);
    });
    onward.on('error', () => request.socket.destroy());
    void Promise.resolve(proxy.before(path)).then(() => request.pipe(onward));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: CountingProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    before: () => {},
    take: () => {
      const taken = counted;
      counted = [];
      return taken;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return proxy;
}

/** The configuration's connection string, through another address of the same account. */
export function throughProxy(connectionString: string | null, { url }: Pick<CountingProxy, 'url'>): string {
  const endpoint = endpointOf(connectionString);
  // The account stands in the path, and the path is signed.
  return (connectionString ?? '').replace(endpoint, url + new URL(endpoint).pathname);
}

/** `http://127.0.0.1:10000/devstoreaccount1` */
export function endpointOf(connectionString: string | null): string {
  const endpoint = /BlobEndpoint=([^;]+)/.exec(connectionString ?? '')?.[1];
  if (endpoint === undefined) throw new Error('the connection string has no BlobEndpoint');
  return endpoint;
}
