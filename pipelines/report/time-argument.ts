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
  const milliseconds = Date.parse(text);
  const isRealDay =
    !Number.isNaN(milliseconds) &&
    new Date(`${text.slice(0, 10)}T00:00:00Z`).toISOString().startsWith(text.slice(0, 10));
  if (!isRealDay) throw new UsageError(`${option}: "${text}" is not a date of the calendar`);
  return milliseconds;
}
