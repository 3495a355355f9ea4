/** Reads the times that people type: a day, or an instant with its zone. */
import { UsageError } from '../common/errors.ts';

const day = /^\d{4}-\d{2}-\d{2}$/;
const instantWithZone = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/;

/**
 * A day means its first instant in UTC. Returns milliseconds since the epoch.
 * @throws {UsageError} for anything else, with what to type instead
 */
export function parseTimeArgument(option: string, text: string): number {
  if (!day.test(text) && !instantWithZone.test(text)) {
    throw new UsageError(
      `${option}: "${text}" is not a time; give a day (2026-08-01, which is 00:00 UTC) or an instant with its zone (2026-08-01T09:30:00Z, 2026-08-01T09:30:00+02:00)`,
    );
  }
  return millisecondsOf(option, text);
}

/**
 * A day and nothing else: its first instant in UTC, in milliseconds since the epoch.
 * @throws {UsageError} for anything else, with what to type instead
 */
export function parseDayArgument(option: string, text: string): number {
  if (!day.test(text)) throw new UsageError(`${option}: "${text}" is not a day; give it as 2026-10-01`);
  return millisecondsOf(option, text);
}

/** Date.parse takes the 31st of February for the 3rd of March. */
function millisecondsOf(option: string, text: string): number {
  const milliseconds = Date.parse(text);
  const date = text.slice(0, 10);
  const isRealDay =
    !Number.isNaN(milliseconds) && new Date(`${date}T00:00:00Z`).toISOString().startsWith(date);
  if (!isRealDay) throw new UsageError(`${option}: "${text}" is not a date of the calendar`);
  return milliseconds;
}
