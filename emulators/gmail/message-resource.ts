// A message on the wire, in each of Gmail's four formats, and its attachments.
// https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages

import { type Answer, base64Url, bytesAnswer, jsonAnswer } from './answer.ts';
import { maskFields } from './field-mask.ts';
import { type GmailRequest, listArgument } from './gmail-request.ts';
import { invalidArgument, notFound } from './google-error.ts';
import { partText, snippet } from './message-text.ts';
import { decodeWords } from './mime-text.ts';
import { allParts, decodeBody, isAttachment, type MimePart, parseMail } from './mime-tree.ts';
import { type Random, randomHex } from './random.ts';
import type { StoredMessage } from './stored-message.ts';

/** The answer to messages.get. */
export function messageAnswer(message: StoredMessage, request: GmailRequest, random: Random): Answer {
  const { query } = request;
  const format = (query.get('format') ?? 'full').toLowerCase();
  const mail = parseMail(message.raw);
  const common = { ...minimalResource(message), snippet: snippet(mail), ...dates(message) };
  switch (format) {
    case 'minimal':
      return jsonAnswer(200, maskFields(common, query));
    case 'raw':
      return bytesAnswer(message.raw, (raw) => maskFields({ ...common, raw }, query));
    case 'metadata': {
      const payload = metadataPayload(mail, listArgument(query, 'metadataHeaders'));
      return jsonAnswer(200, maskFields({ ...common, payload }, query));
    }
    case 'full':
      return jsonAnswer(200, maskFields({ ...common, payload: partResource(mail, random) }, query));
    default:
      throw invalidArgument(`Invalid value at 'format' (TYPE_ENUM), "${format}"`);
  }
}

/** What messages.modify answers with. */
export function minimalResource(message: StoredMessage): Record<string, unknown> {
  // Like every empty list, the field is left out when a message has no label.
  const labelIds = [...message.labelIds];
  return { id: message.id, threadId: message.threadId, ...(labelIds.length > 0 && { labelIds }) };
}

function dates(message: StoredMessage): Record<string, unknown> {
  return {
    sizeEstimate: message.raw.length,
    historyId: message.historyId.toString(),
    internalDate: String(message.internalDateMs),
  };
}

function metadataPayload(mail: MimePart, wanted: string[]): Record<string, unknown> {
  const names = new Set(wanted.map((name) => name.toLowerCase()));
  const headers = headerResources(mail).filter(
    (header) => names.size === 0 || names.has(header.name.toLowerCase()),
  );
  return { mimeType: mail.mimeType, ...(headers.length > 0 && { headers }) };
}

function headerResources(part: MimePart): { name: string; value: string }[] {
  return part.headers.all.map(({ name, value }) => ({ name, value: decodeWords(value) }));
}

function partResource(part: MimePart, random: Random): Record<string, unknown> {
  return {
    partId: part.partId,
    mimeType: part.mimeType,
    filename: part.filename,
    headers: headerResources(part),
    body: bodyResource(part, random),
    ...(part.parts.length > 0 && { parts: part.parts.map((child) => partResource(child, random)) }),
  };
}

function bodyResource(part: MimePart, random: Random): Record<string, unknown> {
  if (part.mimeType.startsWith('multipart/')) return { size: 0 };
  if (isAttachment(part)) return { attachmentId: attachmentId(part, random), size: decodeBody(part).length };
  // Gmail gives text in UTF-8, whatever charset the part's header names.
  const text = Buffer.from(partText(part));
  return { size: text.length, ...(text.length > 0 && { data: base64Url(text) }) };
}

/** Another id at every call, as Gmail's: it is good for a get, not for a key. */
function attachmentId(part: MimePart, random: Random): string {
  return Buffer.from(`${randomHex(random, 96)}:${part.partId}`).toString('base64url');
}

/**
 * The answer to messages.attachments.get.
 * @throws {GoogleError} 400 for an id that was never given, 404 for one of another message
 */
export function attachmentAnswer(message: StoredMessage, id: string, request: GmailRequest): Answer {
  const [, partId] = /^[0-9a-f]{96}:([\d.]*)$/.exec(Buffer.from(id, 'base64url').toString('latin1')) ?? [];
  if (partId === undefined) throw invalidArgument('Invalid attachment token');
  const parts = [...allParts(parseMail(message.raw))];
  const part = parts.find((candidate) => candidate.partId === partId && isAttachment(candidate));
  if (part === undefined) throw notFound();
  const bytes = decodeBody(part);
  return bytesAnswer(bytes, (data) => maskFields({ size: bytes.length, data }, request.query));
}
