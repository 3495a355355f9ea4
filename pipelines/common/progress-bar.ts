/** One progress bar on standard error; a line every now and then where standard error is no terminal. */
import { Presets, SingleBar } from 'cli-progress';

export interface ProgressBar {
  update(done: number): void;
  finish(): void;
}

/** `total` is a guess that may be passed or not reached; the bar ends full all the same. */
export function progressBar(what: string, total: number): ProgressBar {
  const bar = new SingleBar(
    {
      format: `   {bar} {value} ${what}, {duration_formatted}`,
      stream: process.stderr,
      hideCursor: true,
      noTTYOutput: true,
      notTTYSchedule: 5_000,
      linewrap: false,
    },
    Presets.shades_classic,
  );
  bar.start(Math.ceil(total), 0);
  let done = 0;
  return {
    update(value) {
      done = value;
      bar.setTotal(Math.max(bar.getTotal(), value));
      bar.update(value);
    },
    finish() {
      bar.setTotal(done);
      bar.update(done);
      bar.stop();
    },
  };
}
