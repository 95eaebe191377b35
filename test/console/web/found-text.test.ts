import { describe, expect, it } from 'vitest';
import { resultText } from '../../../console/web/found-text.ts';

const text = (mailboxes: string[], notSearched: number) =>
  resultText([], {
    gmail: { error: null },
    next_before: null,
    searched: { mailboxes, not_searched_count: notSearched },
  });

describe('the result of a search that found nothing', () => {
  it('does not name the mailboxes when there is one', () => {
    expect(text(['a@example.com'], 0)).toBe('Gmail has no message with these words that is not stored.');
  });

  it('says that all mailboxes were searched', () => {
    expect(text(['a@example.com', 'b@example.com'], 0)).toBe(
      'Gmail has no message with these words that is not stored. All 2 mailboxes were searched.',
    );
  });

  it('never looks complete while a mailbox was not searched', () => {
    expect(text(['a@example.com', 'b@example.com'], 1_038)).toBe(
      'The searched mailboxes have no message with these words that is not stored. ' +
        'Only 2 of 1,040 mailboxes were searched: a@example.com, b@example.com. To search another one, choose it in the filters.',
    );
  });

  it('says that none was searched when none was', () => {
    const error = { code: 'account_unconfirmed', detail: 'No run yet.', remediation: 'Poll.' };
    const result = {
      gmail: { error },
      next_before: null,
      searched: { mailboxes: [], not_searched_count: 2 },
    };
    expect(resultText([], result)).toBe(
      'Gmail was not searched for messages that are not stored. No run yet. Poll. ' +
        'None of 2 mailboxes were searched.',
    );
  });

  it('does not advise to choose a mailbox that could not be searched', () => {
    const result = {
      gmail: { error: { code: 'reauth_required', detail: 'b@example.com: No.', remediation: 'Authorize.' } },
      next_before: null,
      searched: { mailboxes: ['a@example.com'], not_searched_count: 1 },
    };
    expect(resultText([], result)).toBe(
      '0 messages found that are not stored, but Gmail did not answer everything. b@example.com: No. Authorize. ' +
        'Only 1 of 2 mailboxes was searched: a@example.com.',
    );
  });
});
