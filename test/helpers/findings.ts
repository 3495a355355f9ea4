/** What is not as it should be, one finding for each key: lost, doubled, or other than expected. */
import { isDeepStrictEqual } from 'node:util';

export interface Finding {
  /** `broken`: not about one key, but about the place where it should stand. */
  readonly kind: 'missing' | 'twice' | 'unexpected' | 'different' | 'broken';
  readonly text: string;
}

export interface Comparison {
  readonly expected: ReadonlyMap<string, unknown>;
  readonly actual: readonly (readonly [string, unknown])[];
}

/** Every finding names one key that is missing, unexpected, there twice, or other than expected. */
export function compare(what: string, { expected, actual }: Comparison): Finding[] {
  const findings: Finding[] = [];
  const met = new Set<string>();
  for (const [key, value] of actual) {
    if (!expected.has(key))
      findings.push({ kind: 'unexpected', text: `${what}: unexpected ${key}: ${JSON.stringify(value)}` });
    else if (met.has(key)) findings.push({ kind: 'twice', text: `${what}: twice ${key}` });
    else if (!isDeepStrictEqual(value, expected.get(key)))
      findings.push({
        kind: 'different',
        text: `${what}: ${key} is ${JSON.stringify(value)}, not ${JSON.stringify(expected.get(key))}`,
      });
    met.add(key);
  }
  for (const key of expected.keys())
    if (!met.has(key)) findings.push({ kind: 'missing', text: `${what}: missing ${key}` });
  return findings;
}

const MAX_TEXTS = 10;

/** The first few of each subject, so that a thousand missing rows do not hide the one segment that is broken. */
export function textsOf(findings: readonly Finding[]): string[] {
  const bySubject = Map.groupBy(findings, ({ text }) => text.split(': ', 1)[0] ?? '');
  return [...bySubject].flatMap(([subject, own]) => {
    const texts = own.map(({ text }) => text);
    const more = texts.length - MAX_TEXTS;
    return more > 0 ? [...texts.slice(0, MAX_TEXTS), `${subject}: and ${more} more`] : texts;
  });
}

export function differences(what: string, comparison: Comparison): string[] {
  return textsOf(compare(what, comparison));
}

/** Leaves out what is there again, the same in everything: not what stands under the same key with other content. */
export function withoutRepeats<Value>(
  entries: readonly (readonly [string, Value])[],
): (readonly [string, Value])[] {
  const met = new Map<string, Value[]>();
  return entries.filter(([key, value]) => {
    const known = met.get(key) ?? [];
    if (known.some((one) => isDeepStrictEqual(one, value))) return false;
    met.set(key, [...known, value]);
    return true;
  });
}
