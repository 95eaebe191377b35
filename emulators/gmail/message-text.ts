// Text of a message for search and snippets: decoded headers and the readable text of the bodies. Headers and file
// names are cached; bodies are decoded on every search, which bounds memory.

import { decodeCharset, decodeWords } from './mime-text.ts';
import { allParts, decodeBody, isAttachment, type MimePart, parseMail } from './mime-tree.ts';
import type { StoredMessage } from './stored-message.ts';

/** The cached values that most searches need, in lower case. */
export interface MessageFacts {
  header(name: string): string;
  filenames: string[];
  hasAttachment: boolean;
}

const factsOf = new WeakMap<StoredMessage, MessageFacts>();

export function messageFacts(message: StoredMessage): MessageFacts {
  const known = factsOf.get(message);
  if (known !== undefined) return known;
  const mail = parseMail(message.raw);
  const files = [...allParts(mail)].filter((part) => isAttachment(part) && part.filename !== '');
  const values = new Map<string, string>();
  for (const { name, value } of mail.headers.all) {
    const key = name.toLowerCase();
    if (searchedHeaders.has(key))
      values.set(key, `${values.get(key) ?? ''} ${decodeWords(value).toLowerCase()}`);
  }
  const facts: MessageFacts = {
    header: (name) => values.get(name) ?? '',
    filenames: files.map((part) => part.filename.toLowerCase()),
    // Gmail's search does not count an image that the HTML shows.
    hasAttachment: files.some((part) => part.headers.get('content-id') === undefined),
  };
  factsOf.set(message, facts);
  return facts;
}

const searchedHeaders = new Set([
  'from',
  'to',
  'cc',
  'bcc',
  'delivered-to',
  'subject',
  'message-id',
  'list-id',
]);

/** The text of a part, decoded from its charset; an unknown charset is read as UTF-8. */
export function partText(part: MimePart): string {
  const bytes = decodeBody(part);
  return decodeCharset(bytes, part.charset) ?? bytes.toString('utf8');
}

/** All readable text of the message in lower case, with HTML tags removed. */
export function searchableText(message: StoredMessage): string {
  const texts: string[] = [];
  for (const part of allParts(parseMail(message.raw))) {
    if (part.mimeType.startsWith('text/') && part.filename === '') texts.push(readable(part));
  }
  return texts.join('\n').toLowerCase();
}

/** Bytes of a body that are read for a snippet. */
const snippetBytes = 1 << 14;

/** The start of the text as Gmail returns it: HTML-escaped, at most 200 characters before escaping. */
export function snippet(mail: MimePart): string {
  for (const part of allParts(mail)) {
    if (!part.mimeType.startsWith('text/') || part.filename !== '') continue;
    const text = readable({ ...part, body: part.body.subarray(0, snippetBytes) })
      .replace(/\s+/g, ' ')
      .trim();
    if (text !== '') return escapeHtml([...text.slice(0, 400)].slice(0, 200).join('').trim());
  }
  return '';
}

function readable(part: MimePart): string {
  const text = partText(part);
  if (part.mimeType !== 'text/html') return text;
  return text
    .replace(/<(style|script|head)\b[\s\S]*?<\/\1>/gi, ' ')
    .replace(/<[^<>]*>/g, ' ')
    .replace(/&nbsp;/gi, ' ')
    .replace(/&lt;/gi, '<')
    .replace(/&gt;/gi, '>')
    .replace(/&quot;/gi, '"')
    .replace(/&amp;/gi, '&');
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
