// Label resources: without counts in labels.list, with counts in labels.get.
// https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.labels

import type { Label } from './labels.ts';
import type { StoredMessage } from './stored-message.ts';

export function labelResource(label: Label): Record<string, unknown> {
  return { id: label.id, name: label.name, type: label.type };
}

export function labelWithCounts(label: Label, messages: Iterable<StoredMessage>): Record<string, unknown> {
  const threads = new Set<string>();
  const unreadThreads = new Set<string>();
  let messagesTotal = 0;
  let messagesUnread = 0;
  for (const message of messages) {
    if (!message.labelIds.has(label.id)) continue;
    messagesTotal += 1;
    threads.add(message.threadId);
    if (!message.labelIds.has('UNREAD')) continue;
    messagesUnread += 1;
    unreadThreads.add(message.threadId);
  }
  return {
    ...labelResource(label),
    messagesTotal,
    messagesUnread,
    threadsTotal: threads.size,
    threadsUnread: unreadThreads.size,
  };
}
