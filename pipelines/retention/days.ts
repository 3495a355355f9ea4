/** Days of UTC as text, `2026-08-03`: they compare as they follow one another. */

export const DAY_MS = 86_400_000;

export function dayOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}

export function startOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}

/** @param count may be negative */
export function daysAfter(day: string, count: number): string {
  return dayOf(startOf(day) + count * DAY_MS);
}

/** The later of two; null is before every day. */
export function laterOf(a: string | null, b: string | null): string | null {
  return (a ?? '') > (b ?? '') ? a : b;
}
