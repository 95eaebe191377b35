/** Compares the text and HTML forms of a message by their words. A client generates one from the other, or writes a stub. */

/** Enough to compare: both forms of a message begin with the same words. */
const COMPARED_LENGTH = 64 * 1024;
/** Required share of the other form's words. Clients omit link texts and image names. */
const SHARE = 0.8;
/** What only the text form shows of links and pictures. */
const LINK_TARGET = /\b(?:https?:|mailto:|cid:)[^\s<>]+/gi;

/** Whether `text` has nearly all words of `other`. */
export function containsWordsOf(text: string, other: string): boolean {
  const own = wordsOf(text);
  const others = wordsOf(other);
  if (others.size === 0) return true;
  let found = 0;
  for (const word of others) if (own.has(word)) found += 1;
  return found >= others.size * SHARE;
}

/** Whether `text` can replace `other`: it has nearly all of its words, and all that contain a digit, such as item numbers. */
export function containsTextOf(text: string, other: string): boolean {
  const shown = other.slice(0, COMPARED_LENGTH).replace(LINK_TARGET, ' ');
  if (!containsWordsOf(text, shown)) return false;
  // Text has line ends, quote marks and link targets, which HTML has not.
  const own = wordsOf(text, COMPARED_LENGTH * 4);
  return [...wordsOf(shown)].every((word) => own.has(word) || !/\p{N}/u.test(word));
}

function wordsOf(text: string, length = COMPARED_LENGTH): ReadonlySet<string> {
  return new Set(
    text
      .slice(0, length)
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? [],
  );
}
