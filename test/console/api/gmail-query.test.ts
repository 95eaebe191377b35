import { expect, it } from 'vitest';
import { asGmailId, toGmailQuery } from '../../../console/api/gmail-query.ts';

it.each([
  ['order 4711', 'order 4711'],
  ['Grüne Möbel', 'Grüne Möbel'],
  ['注文', '注文'],
  ['order.pdf', '"order.pdf"'],
  ['-order', '"-order"'],
  ['in:spam', '"in:spam"'],
  ['(a) {b}', '"(a)" "{b}"'],
  ['tea OR coffee and AROUND', 'tea "OR" coffee "and" "AROUND"'],
  ['"in:spam" “x:y”', '"in:spam" "x:y"'],
  ['a" in:spam "b', 'a "in:spam" b'],
  ['<m1@example.com>', '{"m1@example.com" rfc822msgid:m1@example.com}'],
  ['ann@example.com', '{"ann@example.com" rfc822msgid:ann@example.com}'],
  ['ann@example.com}', '"ann@example.com}"'],
])('searches %j as %s', (text, query) => {
  expect(toGmailQuery(text)).toBe(`${query} -in:chats`);
});

it('searches at most sixteen words, and none without a letter or digit', () => {
  expect(toGmailQuery('w '.repeat(20))).toBe(`${'w '.repeat(16)}-in:chats`);
  for (const text of ['', ' ', '-', '" "', '( )', '{}:']) expect(toGmailQuery(text)).toBeNull();
});

it('takes 10 to 16 hexadecimal digits for a possible Gmail id', () => {
  expect(asGmailId(' 1A222C08b4e43238 ')).toBe('1a222c08b4e43238');
  for (const text of ['1a222c08b', '1a222c08b4e432380', '1a222c08b4e4323g'])
    expect(asGmailId(text)).toBeNull();
});
