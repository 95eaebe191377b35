/** Compares the two forms of a message by their words: programs write them from one another, or a stub for one of them. */

/** Enough to tell: the forms of one message begin alike. */
const COMPARED_LENGTH = 64 * 1024;
/** Of the words of the other form. Programs leave out link texts and picture names. */
const SHARE = 0.8;

/** Whether `text` has nearly all words of `other`. */
export function containsWordsOf(text: string, other: string): boolean {
  const own = wordsOf(text);
  const others = wordsOf(other);
  if (others.size === 0) return true;
  let found = 0;
  for (const word of others) if (own.has(word)) found += 1;
  return found >= others.size * SHARE;
}

function wordsOf(text: string): ReadonlySet<string> {
  return new Set(
    text
      .slice(0, COMPARED_LENGTH)
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? [],
  );
}
