/**
 * Builds a Gmail search from the words that an operator types.
 * Invariant: the words are searched as text. None of them is an operator of Gmail's search language.
 * https://support.google.com/mail/answer/7190
 */

/** Gmail rejects very long searches, and further words hardly change the result. */
const MAX_WORDS = 16;

const WITH_TEXT = /[\p{L}\p{N}]/u;
/** An email address or a Message-ID, which have the same form, without brackets, quotes and colons. */
const ADDRESS = /^[\w.!#$%&'*+/=?^`|~-]+@[\w.-]+$/;

/** @returns null when the text has no letter or digit. Chats are left out, because they are not email. */
export function toGmailQuery(text: string): string | null {
  const words = text
    // A quote would end the quotes below. Some keyboards type curly ones.
    .replaceAll(/["“”„«»\p{Cc}]/gu, ' ')
    .split(/\s+/)
    .filter((word) => WITH_TEXT.test(word))
    .slice(0, MAX_WORDS);
  if (words.length === 0) return null;
  return [...words.map(toTerm), '-in:chats'].join(' ');
}

/** Without quotes, Gmail finds other forms of a word too, such as its plural. */
const PLAIN_WORD = /^[\p{L}\p{M}\p{N}]+$/u;
const KEYWORD = /^(or|and|not|around)$/i;

/** In quotes, minus, colon, brackets, OR and AND are text. Braces mean that one of the terms is enough. */
function toTerm(word: string): string {
  if (PLAIN_WORD.test(word) && !KEYWORD.test(word)) return word;
  const address = word.replace(/^<|>$/g, '');
  return ADDRESS.test(address) ? `{"${address}" rfc822msgid:${address}}` : `"${word}"`;
}

const GMAIL_ID = /^[0-9a-f]{10,16}$/i;

/** @returns the text in lower case when it may be a Gmail message id. It may also be an order number. */
export function asGmailId(text: string): string | null {
  return GMAIL_ID.test(text.trim()) ? text.trim().toLowerCase() : null;
}
