// The supported Gmail methods with path, HTTP method and handler. Paths are relative to `/gmail/v1/users/{userId}/`.

import type { GmailMethod } from './emulated-quota.ts';
import type { EmulatedGmail } from './gmail-service.ts';
import { invalidArgument, notFound, secondPushClient } from './google-error.ts';
import { listHistory } from './history-listing.ts';
import { emptyResponse, type HttpResponse, jsonResponse } from './http-response.ts';
import { labelResource, labelWithCounts } from './label-resource.ts';
import { listMessages } from './message-listing.ts';
import { attachmentResponse, messageResponse, minimalResource } from './message-resource.ts';
import { maskFields } from './partial-response.ts';
import { bodyList, type GmailRequest } from './request-arguments.ts';
import type { StoredMessage } from './stored-message.ts';

interface MethodRoute {
  method: GmailMethod;
  httpMethod: 'GET' | 'POST';
  path: RegExp;
  /** Requires more than the read-only scope. */
  changesMail?: true;
  respond(gmail: EmulatedGmail, request: GmailRequest): HttpResponse;
}

export const gmailMethods: readonly MethodRoute[] = [
  { method: 'getProfile', httpMethod: 'GET', path: /^profile$/, respond: getProfile },
  { method: 'labels.list', httpMethod: 'GET', path: /^labels$/, respond: listLabels },
  { method: 'labels.get', httpMethod: 'GET', path: /^labels\/([^/]+)$/, respond: getLabel },
  {
    method: 'messages.list',
    httpMethod: 'GET',
    path: /^messages$/,
    respond: (gmail, request) => listMessages(gmail.mailbox, gmail.indexLag, request, gmail.clock()),
  },
  {
    method: 'messages.get',
    httpMethod: 'GET',
    path: /^messages\/([^/]+)$/,
    respond: (gmail, request) => messageResponse(message(gmail, request), request, gmail.random),
  },
  {
    method: 'messages.attachments.get',
    httpMethod: 'GET',
    path: /^messages\/([^/]+)\/attachments\/([^/]+)$/,
    respond: (gmail, request) => attachmentResponse(message(gmail, request), request.ids[1] ?? '', request),
  },
  {
    method: 'messages.modify',
    httpMethod: 'POST',
    path: /^messages\/([^/]+)\/modify$/,
    changesMail: true,
    respond: modifyMessage,
  },
  {
    method: 'history.list',
    httpMethod: 'GET',
    path: /^history$/,
    respond: (gmail, request) => listHistory(gmail.mailbox, gmail, request, gmail.clock()),
  },
  { method: 'watch', httpMethod: 'POST', path: /^watch$/, respond: watch },
  { method: 'stop', httpMethod: 'POST', path: /^stop$/, respond: stop },
];

function getProfile(gmail: EmulatedGmail, request: GmailRequest): HttpResponse {
  const messages = [...gmail.mailbox.messages.values()];
  const profile = {
    emailAddress: gmail.emailAddress,
    messagesTotal: messages.length,
    threadsTotal: new Set(messages.map(({ threadId }) => threadId)).size,
    historyId: gmail.mailbox.history.current.toString(),
  };
  return jsonResponse(200, maskFields(profile, request.query));
}

function listLabels(gmail: EmulatedGmail, request: GmailRequest): HttpResponse {
  return jsonResponse(
    200,
    maskFields({ labels: gmail.mailbox.labels.list().map(labelResource) }, request.query),
  );
}

function getLabel(gmail: EmulatedGmail, request: GmailRequest): HttpResponse {
  const label = gmail.mailbox.labels.get(request.ids[0] ?? '');
  if (label === undefined) throw notFound();
  return jsonResponse(
    200,
    maskFields(labelWithCounts(label, gmail.mailbox.messages.values()), request.query),
  );
}

/** @throws {GoogleError} 400 for a malformed id, 404 for an unknown one */
function message(gmail: EmulatedGmail, request: GmailRequest): StoredMessage {
  const id = request.ids[0] ?? '';
  if (!/^[0-9a-f]{1,16}$/.test(id)) throw invalidArgument('Invalid id value');
  const found = gmail.mailbox.messages.get(id);
  if (found === undefined) throw notFound();
  return found;
}

function modifyMessage(gmail: EmulatedGmail, request: GmailRequest): HttpResponse {
  const target = message(gmail, request);
  const add = bodyList(request.body, 'addLabelIds');
  const remove = bodyList(request.body, 'removeLabelIds');
  if (add.length === 0 && remove.length === 0) throw invalidArgument('No label add or removes specified');
  const unknown = [...add, ...remove].find((id) => gmail.mailbox.labels.get(id) === undefined);
  if (unknown !== undefined) throw invalidArgument(`Invalid label: ${unknown}`);
  gmail.mailbox.modifyLabels(target.id, { add, remove });
  return jsonResponse(200, maskFields(minimalResource(target), request.query));
}

/** A watch lasts seven days: https://developers.google.com/workspace/gmail/api/guides/push */
const watchMs = 7 * 86_400_000;

function watch(gmail: EmulatedGmail, request: GmailRequest): HttpResponse {
  const { topicName } = request.body;
  if (topicName === undefined || topicName === '') throw invalidArgument('topicName required');
  if (typeof topicName !== 'string' || !/^projects\/[^/\s]+\/topics\/[^/\s]+$/.test(topicName)) {
    throw invalidArgument('Invalid topicName does not match projects/emulated-project/topics/*');
  }
  const { watch: current } = gmail.mailbox;
  if (current !== null && current.expiresAtMs > gmail.clock() && current.topicName !== topicName)
    throw secondPushClient();
  const behavior = String(
    request.body['labelFilterBehavior'] ?? request.body['labelFilterAction'] ?? 'include',
  );
  const expiresAtMs = gmail.clock() + watchMs;
  gmail.mailbox.setWatch({
    topicName,
    labelIds: bodyList(request.body, 'labelIds'),
    labelFilterBehavior: behavior.toLowerCase() === 'exclude' ? 'exclude' : 'include',
    expiresAtMs,
  });
  gmail.notifications.publish();
  const historyId = gmail.mailbox.history.current.toString();
  return jsonResponse(200, maskFields({ historyId, expiration: String(expiresAtMs) }, request.query));
}

function stop(gmail: EmulatedGmail): HttpResponse {
  gmail.mailbox.setWatch(null);
  return emptyResponse(204);
}
