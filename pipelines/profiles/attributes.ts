/** What the attributes of a profile change must be: the text of one JSON object that every later reader can walk. */
import type { DeadLetterCodeName } from '../common/dead-letters/codes.ts';

/** Folding and printing recurse into a profile, and a stack ends somewhere. */
export const MAX_DEPTH = 100;

export interface AttributesFault {
  readonly code: DeadLetterCodeName;
  readonly detail: string;
}

/** @returns what is wrong with the text, or null */
export function checkAttributes(text: string): AttributesFault | null {
  if (depthOf(text) > MAX_DEPTH)
    return { code: 'attributes_too_deep', detail: `is nested deeper than ${MAX_DEPTH}` };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { code: 'attributes_not_object', detail: `is not JSON: ${(error as Error).message}` };
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return null;
  const what = value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`;
  return { code: 'attributes_not_object', detail: `is ${what} and not a JSON object` };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Brackets open at one time, at most; looks at no more than it has to. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        for (at += 1; at < text.length && text.charCodeAt(at) !== QUOTE; at += 1)
          if (text.charCodeAt(at) === BACKSLASH) at += 1;
        break;
      case 0x7b: // {
      case 0x5b: // [
        depth += 1;
        if (depth > deepest) deepest = depth;
        if (deepest > MAX_DEPTH) return deepest;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth -= 1;
        break;
    }
  }
  return deepest;
}
