/** What a search for messages that are not stored found, and which mailboxes it covers, as sentences. */
import type { FoundMessagesJson, MessageJson } from '../../shared/schemas/messages.ts';
import { formatNumber, pluralize } from './format-number.ts';

type Result = Pick<FoundMessagesJson, 'gmail' | 'next_before' | 'searched'>;

export function resultText(messages: readonly MessageJson[], result: Result): string {
  return [foundText(messages, result), coverageText(result)].filter((text) => text !== '').join(' ');
}

function foundText(messages: readonly MessageJson[], { gmail, next_before: next, searched }: Result): string {
  const found = `${pluralize(messages.length, 'message')} found that ${messages.length === 1 ? 'is' : 'are'} not stored`;
  if (gmail.error !== null) {
    const { code, detail, remediation } = gmail.error;
    const isSearched = messages.length > 0 || searched.mailboxes.length > 0;
    const what = isSearched
      ? `${found}, but Gmail did not answer everything.`
      : 'Gmail was not searched for messages that are not stored.';
    return `${what} ${detail ?? code} ${remediation ?? ''}`;
  }
  if (messages.length > 0) return `${found}${next === null ? '' : ' so far'}.`;
  if (next !== null) return 'The newest messages in Gmail with these words are all stored.';
  return searched.not_searched_count > 0
    ? 'The searched mailboxes have no message with these words that is not stored.'
    : 'Gmail has no message with these words that is not stored.';
}

/** Which mailboxes were searched; empty for one mailbox. */
function coverageText({ gmail, searched }: Result): string {
  const { mailboxes, not_searched_count: notSearched } = searched;
  const all = mailboxes.length + notSearched;
  if (all < 2) return '';
  if (notSearched === 0) return `All ${all} mailboxes were searched.`;
  const which = mailboxes.length === 0 ? 'None' : `Only ${formatNumber(mailboxes.length)}`;
  const names = mailboxes.length === 0 ? '' : `: ${mailboxes.join(', ')}`;
  // A mailbox with an error cannot be searched when it is chosen either.
  const next = gmail.error === null ? ' To search another one, choose it in the filters.' : '';
  return `${which} of ${formatNumber(all)} mailboxes ${mailboxes.length === 1 ? 'was' : 'were'} searched${names}.${next}`;
}
