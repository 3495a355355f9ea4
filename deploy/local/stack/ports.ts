/** Ports for the parts: free ones, and the same ones again where that can be. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below the ports that systems lend to outgoing connections (32768 on Linux, 49152 elsewhere). Among those, a client
 * that keeps calling a part that is down could be lent the part's own port, connect to itself, and keep the part out.
 */
const LOWEST = 20_000;
const HIGHEST = 32_767;
const ATTEMPTS = 1_000;

export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * @param preferred is taken when it is free
 * @param taken ports in here are left alone; those that were tried are added
 */
export async function takePort(preferred: number | undefined, taken: Set<number>): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = attempt === 0 && preferred !== undefined ? preferred : randomInt(LOWEST, HIGHEST + 1);
    if (taken.has(port)) continue;
    taken.add(port);
    if (await isPortFree(port)) return port;
  }
  throw new Error(`no free port between ${LOWEST} and ${HIGHEST} was found`);
}
