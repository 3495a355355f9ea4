/** Loaded before a pipeline (`node --import`): its clock goes wrong by CHAOS_CLOCK_SHIFT_MS, and jumps at each SIGUSR2. */
const HOUR_MS = 3_600_000;
const JUMPS_MS = [6 * HOUR_MS, -30 * HOUR_MS, 400 * 24 * HOUR_MS, -HOUR_MS];

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
  shiftMs += JUMPS_MS[jumps % JUMPS_MS.length];
  jumps += 1;
  process.stderr.write(`clock jumped to ${new Date().toISOString()}\n`);
});
