/** Text that somebody sent, repeated in an error. Pure. */

const MOST_SHOWN = 60;

/** At most 60 characters, and a sign that there were more. */
export function shortened(text: string): string {
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN).toWellFormed()}…` : text;
}
