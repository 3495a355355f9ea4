/** Colours where the stream that is written to is a terminal that has them, and nowhere else: not in a file or a pipe, also not under CI. */
import type { WriteStream } from 'node:tty';
import pc from 'picocolors';

function colorsOf(stream: NodeJS.WriteStream & Partial<Pick<WriteStream, 'hasColors'>>) {
  const isForced = process.env.FORCE_COLOR !== undefined && pc.isColorSupported;
  return pc.createColors(isForced || stream.hasColors?.() === true);
}

/** For what is written to standard output. */
export const colors = colorsOf(process.stdout);

/** For what is written to standard error. */
export const errorColors = colorsOf(process.stderr);
