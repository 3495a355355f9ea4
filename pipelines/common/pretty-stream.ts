/** Log lines for people. */
import type { DestinationStream } from 'pino';
import { prettyFactory } from 'pino-pretty';

/** Formats each JSON line and passes it on at once, so that a crash loses none. */
export function pretty(destination: DestinationStream): DestinationStream {
  const format = prettyFactory({
    colorize: process.stderr.isTTY === true && process.env.NO_COLOR === undefined,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
  });
  return {
    write(line: string) {
      destination.write(format(line));
    },
  };
}
