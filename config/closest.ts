/** "Did you mean …?" */

/** The candidate nearest to the word, or null when none is near enough to be what was meant. */
export function closest(word: string, candidates: readonly string[]): string | null {
  const wanted = plain(word);
  const limit = wanted.length < 4 ? 1 : Math.max(2, Math.floor(wanted.length / 4));
  const byDistance = candidates
    .map((candidate) => ({ candidate, distance: editDistance(wanted, plain(candidate)) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance);
  const [best] = byDistance;
  if (best !== undefined && best.distance <= 1) return best.candidate;
  // A whole word that the other begins with (`user` for username) is nearer than one that merely looks alike (url).
  const longer = candidates.find((candidate) => wanted.length >= 3 && plain(candidate).startsWith(wanted));
  return longer ?? best?.candidate ?? null;
}

/** Whether letters are capitals and how words are joined is not what makes a name another one. */
function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-_. ]/g, '');
}

/** Levenshtein distance: single-letter insertions, deletions and replacements from a to b. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 0; i < a.length; i += 1) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j += 1) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
