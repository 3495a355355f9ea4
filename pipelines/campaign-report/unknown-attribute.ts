/** What to say to whoever broke a report down by an attribute that no profile has. Pure. */
import { printable } from '../common/printable.ts';
import { shortened } from '../common/shortened.ts';
import { type AttributePath, pointerOf } from './attribute-path.ts';
import type { UnknownAttribute } from './read-breakdown.ts';

export function unknownAttributeText({ keys, text }: AttributePath, { topLevel }: UnknownAttribute): string {
  const hint =
    keys.length > 1 && topLevel.includes(text) ? `; as one key it is ${shown(pointerOf([text]))}` : '';
  const names = topLevel.map(shown).join(', ');
  return `no profile of a recipient has "${shown(text)}", neither at a send nor today; on the top level there are: ${names || 'none'}${hint}`;
}

/** A key may be as long as a profile, and may hold anything. */
function shown(text: string): string {
  return printable(shortened(text));
}
