/** The word that was probably meant: the nearest of a list by edit distance. Pure. */

/** Insertions, deletions, replacements and swaps of neighbours between two short words (optimal string alignment). */
function distance(from: string, to: string): number {
  let older: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      let best = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) best = Math.min(best, (older[column - 2] ?? 0) + 1);
      current.push(best);
    }
    older = previous;
    previous = current;
  }
  return previous[to.length] ?? 0;
}

/** Longer words than this are nobody's typing mistake; comparing them would only cost time. */
const WORD_LENGTH_MAX = 64;

/** A shorter beginning than this could be meant for anything. */
const BEGINNING_LENGTH_MIN = 3;

/** The word of `words` nearest to `word`, if it is near enough to be a slip of the fingers, or the one it begins. */
export function nearestWord(word: string, words: readonly string[]): string | undefined {
  if (word.length > WORD_LENGTH_MAX) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.ceil(word.length / 3)) + 1;
  for (const candidate of words) {
    const candidateDistance = distance(word.toLowerCase(), candidate.toLowerCase());
    if (candidateDistance < bestDistance && candidateDistance < candidate.length) {
      best = candidate;
      bestDistance = candidateDistance;
    }
  }
  if (best !== undefined || word.length < BEGINNING_LENGTH_MIN) return best;
  return [...words].find((candidate) => candidate.toLowerCase().startsWith(word.toLowerCase()));
}

/** `"; did you mean --mqtt-port?"`, or nothing. */
export function suggestion(word: string, words: readonly string[]): string {
  const nearest = nearestWord(word, words);
  return nearest === undefined ? "" : `; did you mean ${nearest}?`;
}
