// Message resources in each of Gmail's four formats, and attachments.
// https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages

import { type Random, randomHex } from '../seeded-random.ts';
import { invalidArgument, notFound } from './google-error.ts';
import { base64Response, base64Url, type HttpResponse, jsonResponse } from './http-response.ts';
import { partText, snippet } from './message-text.ts';
import { decodeWords } from './mime-text.ts';
import { allParts, decodeBody, isAttachment, type MimePart, parseMail } from './mime-tree.ts';
import { maskFields } from './partial-response.ts';
import { type GmailRequest, listArgument } from './request-arguments.ts';
import type { StoredMessage } from './stored-message.ts';

/** The response to messages.get. */
export function messageResponse(message: StoredMessage, request: GmailRequest, random: Random): HttpResponse {
  const { query } = request;
  const format = (query.get('format') ?? 'full').toLowerCase();
  const mail = parseMail(message.raw);
  const common = { ...minimalResource(message), snippet: snippet(mail), ...dates(message) };
  switch (format) {
    case 'minimal':
      return jsonResponse(200, maskFields(common, query));
    case 'raw':
      return base64Response(message.raw, (raw) => maskFields({ ...common, raw }, query));
    case 'metadata': {
      const payload = metadataPayload(mail, listArgument(query, 'metadataHeaders'));
      return jsonResponse(200, maskFields({ ...common, payload }, query));
    }
    case 'full':
      return jsonResponse(200, maskFields({ ...common, payload: partResource(mail, random) }, query));
    default:
      throw invalidArgument(`Invalid value at 'format' (TYPE_ENUM), "${format}"`);
  }
}

/** The body of the response to messages.modify. */
export function minimalResource(message: StoredMessage): Record<string, unknown> {
  // Gmail omits empty lists.
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
  // Gmail returns text in UTF-8, whatever charset the part declares.
  const text = Buffer.from(partText(part));
  return { size: text.length, ...(text.length > 0 && { data: base64Url(text) }) };
}

/** A new id on every call, as Gmail does: it identifies the attachment for a get, but is no stable key. */
function attachmentId(part: MimePart, random: Random): string {
  return Buffer.from(`${randomHex(random, 96)}:${part.partId}`).toString('base64url');
}

/**
 * The response to messages.attachments.get.
 * @throws {GoogleError} 400 for a malformed id, 404 for an id of another message
 */
export function attachmentResponse(message: StoredMessage, id: string, request: GmailRequest): HttpResponse {
  const [, partId] = /^[0-9a-f]{96}:([\d.]*)$/.exec(Buffer.from(id, 'base64url').toString('latin1')) ?? [];
  if (partId === undefined) throw invalidArgument('Invalid attachment token');
  const parts = [...allParts(parseMail(message.raw))];
  const part = parts.find((candidate) => candidate.partId === partId && isAttachment(candidate));
  if (part === undefined) throw notFound();
  const bytes = decodeBody(part);
  return base64Response(bytes, (data) => maskFields({ size: bytes.length, data }, request.query));
}
