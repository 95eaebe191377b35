/** Compares the text and HTML forms of a message by their words. A client generates one from the other, or writes a stub. */

/** Enough to compare: both forms of a message begin with the same words. */
const COMPARED_LENGTH = 64 * 1024;
/** Required share of the other form's words. Clients omit link texts and image names. */
const SHARE = 0.8;
/** Rows of one message, and the part of a long row: a program writes all rows the same way. */
const COMPARED_ROWS = 20;
const COMPARED_ROW_LENGTH = 200;
const WORD = /[\p{L}\p{N}]+/gu;
const NUMBER = /\p{N}+/gu;
/** What only the text form shows of links and pictures. */
const LINK_TARGET = /\b(?:https?:|mailto:|tel:|cid:)[^\s<>]+/gi;

/** Whether `text` has nearly all words of `other`. */
export function containsWordsOf(text: string, other: string): boolean {
  const own = wordsOf(text);
  const others = wordsOf(other);
  if (others.size === 0) return true;
  let found = 0;
  for (const word of others) if (own.has(word)) found += 1;
  return found >= others.size * SHARE;
}

/** Whether `text` can replace `other`: it has nearly all of its words, and all of its numbers, `2` and `10` of `2x 10kg` too. */
export function containsTextOf(text: string, other: string): boolean {
  const shown = other.slice(0, COMPARED_LENGTH).replace(LINK_TARGET, ' ');
  if (!containsWordsOf(text, shown)) return false;
  // Text has line ends, quote marks and link targets, which HTML has not.
  const own = new Set(text.slice(0, COMPARED_LENGTH * 4).match(NUMBER));
  return (shown.match(NUMBER) ?? []).every((number) => own.has(number));
}

/** Whether the rows of tables in `other`, which have tabs, are on lines of `text` too. Some programs write a line for each cell. */
export function hasRowsOf(text: string, other: string): boolean {
  const lines = `\n${wordLines(text.slice(0, COMPARED_LENGTH * 4)).join('\n')}\n`;
  const rows = other.split('\n').filter((row) => row.includes('\t') && /\p{N}/u.test(row));
  return wordLines(rows.slice(0, COMPARED_ROWS).join('\n')).every((row) =>
    lines.includes(row.slice(0, COMPARED_ROW_LENGTH)),
  );
}

/** The lines of `other` that have a word which `text` has not. */
export function linesBeyond(text: string, other: string): string {
  const own = new Set(
    text
      .slice(0, COMPARED_LENGTH * 4)
      .toLowerCase()
      .match(WORD),
  );
  const isBeyond = (line: string) => (line.toLowerCase().match(WORD) ?? []).some((word) => !own.has(word));
  return other.split('\n').filter(isBeyond).join('\n');
}

function wordLines(text: string): string[] {
  return text.split('\n').map((line) => (line.toLowerCase().match(WORD) ?? []).join(' '));
}

function wordsOf(text: string): ReadonlySet<string> {
  return new Set(text.slice(0, COMPARED_LENGTH).toLowerCase().match(WORD) ?? []);
}
