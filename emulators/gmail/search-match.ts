// Matches messages against a parsed search. As in Gmail, an operator with an invalid value matches nothing.

import type { Labels } from './labels.ts';
import { messageFacts, searchableText } from './message-text.ts';
import type { Search, SearchNode } from './search-query.ts';
import { parseDay, parseSize, spanMs } from './search-value.ts';
import type { StoredMessage } from './stored-message.ts';

interface SearchContext {
  labels: Labels;
  nowMs: number;
}

export function matchesSearch(search: Search, message: StoredMessage, context: SearchContext): boolean {
  return matches(search.root, message, context);
}

function matches(node: SearchNode, message: StoredMessage, context: SearchContext): boolean {
  switch (node.kind) {
    case 'all':
      return node.nodes.every((inner) => matches(inner, message, context));
    case 'any':
      return node.nodes.some((inner) => matches(inner, message, context));
    case 'not':
      return !matches(node.node, message, context);
    case 'words':
      return matchesWords(node.text, message);
    case 'operator':
      return matchesOperator(node.operator, node.value, message, context);
  }
}

const headerOperators: Readonly<Record<string, string>> = {
  from: 'from',
  to: 'to',
  cc: 'cc',
  bcc: 'bcc',
  subject: 'subject',
  deliveredto: 'delivered-to',
  list: 'list-id',
};

function matchesOperator(
  operator: string,
  value: string,
  message: StoredMessage,
  context: SearchContext,
): boolean {
  const header = headerOperators[operator];
  if (header !== undefined) return containsWords(messageFacts(message).header(header), value);
  const { internalDateMs } = message;
  switch (operator) {
    case 'in':
    case 'label':
    case 'category':
    case 'is':
      return matchesLabel(operator, value, message, context.labels);
    case 'has':
      return value === 'attachment' && messageFacts(message).hasAttachment;
    case 'filename':
      return messageFacts(message).filenames.some((name) => name.includes(value));
    case 'after':
    case 'newer':
      return internalDateMs >= (parseDay(value) ?? Number.POSITIVE_INFINITY);
    case 'before':
    case 'older':
      return internalDateMs < (parseDay(value) ?? Number.NEGATIVE_INFINITY);
    case 'newer_than':
      return internalDateMs >= context.nowMs - (spanMs(value) ?? Number.NEGATIVE_INFINITY);
    case 'older_than':
      return internalDateMs < context.nowMs - (spanMs(value) ?? Number.POSITIVE_INFINITY);
    case 'larger':
    case 'size':
      return message.raw.length > (parseSize(value) ?? Number.POSITIVE_INFINITY);
    case 'smaller':
      return message.raw.length < (parseSize(value) ?? Number.NEGATIVE_INFINITY);
    case 'rfc822msgid':
      return bare(messageFacts(message).header('message-id')) === bare(value);
    default:
      return false;
  }
}

/** Search terms for Gmail's system labels that differ from the label id. */
const systemLabelTerms: Readonly<Record<string, string>> = {
  drafts: 'DRAFT',
  draft: 'DRAFT',
  chats: 'CHAT',
  personal: 'CATEGORY_PERSONAL',
  social: 'CATEGORY_SOCIAL',
  promotions: 'CATEGORY_PROMOTIONS',
  updates: 'CATEGORY_UPDATES',
  forums: 'CATEGORY_FORUMS',
};

function matchesLabel(operator: string, value: string, message: StoredMessage, labels: Labels): boolean {
  if (value === 'anywhere' || value === 'all') return true;
  if (operator === 'is' && value === 'read') return !message.labelIds.has('UNREAD');
  const id = systemLabelTerms[value] ?? labels.find(value)?.id;
  return id !== undefined && message.labelIds.has(id);
}

function matchesWords(text: string, message: StoredMessage): boolean {
  const facts = messageFacts(message);
  const headers = ['subject', 'from', 'to', 'cc'].map((name) => facts.header(name)).join('\n');
  return (
    containsWords(headers, text) ||
    facts.filenames.some((name) => containsWords(name, text)) ||
    containsWords(searchableText(message), text)
  );
}

/** Matches whole words only: Gmail does not find `voice` in `invoice`. */
function containsWords(haystack: string, words: string): boolean {
  if (words === '') return false;
  const wordCharacter = /[\p{L}\p{N}]/u;
  for (let at = haystack.indexOf(words); at >= 0; at = haystack.indexOf(words, at + 1)) {
    const before = haystack[at - 1] ?? ' ';
    const after = haystack[at + words.length] ?? ' ';
    const opens = !wordCharacter.test(words[0] ?? '') || !wordCharacter.test(before);
    const closes = !wordCharacter.test(words.at(-1) ?? '') || !wordCharacter.test(after);
    if (opens && closes) return true;
  }
  return false;
}

function bare(messageId: string): string {
  return messageId.trim().replace(/^<|>$/g, '');
}
