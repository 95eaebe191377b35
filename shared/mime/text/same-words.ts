/** Compares the text and HTML forms of a message by their words. A client generates one from the other, or writes a stub. */

/** Enough to compare: both forms of a message begin with the same words. */
const COMPARED_LENGTH = 64 * 1024;
/** Required share of the other form's words. Clients omit link texts and image names. */
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
