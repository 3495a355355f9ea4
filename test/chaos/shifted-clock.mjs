/**
 * Loaded before a pipeline (`node --import`): its clock goes wrong by CHAOS_CLOCK_SHIFT_MS. At each SIGUSR2 it jumps, or is set to a moment
 * before midnight where CHAOS_CLOCK_MIDNIGHT is that many milliseconds.
 */
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const JUMPS_MS = [6 * HOUR_MS, -30 * HOUR_MS, 400 * DAY_MS, -HOUR_MS];
const beforeMidnightMs = Number(process.env.CHAOS_CLOCK_MIDNIGHT ?? 0);

const RealDate = Date;
let shiftMs = Number(process.env.CHAOS_CLOCK_SHIFT_MS ?? 0);
let jumps = 0;

globalThis.Date = class ShiftedDate extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + shiftMs);
    else super(...args);
  }

  static now() {
    return RealDate.now() + shiftMs;
  }
};

process.stderr.write(`clock shifted by ${shiftMs} ms\n`);
process.on('SIGUSR2', () => {
  const now = RealDate.now();
  if (beforeMidnightMs > 0) shiftMs = Math.ceil(now / DAY_MS) * DAY_MS - beforeMidnightMs - now;
  else shiftMs += JUMPS_MS[jumps % JUMPS_MS.length];
  jumps += 1;
  process.stderr.write(`clock jumped by ${shiftMs} ms\n`);
});
