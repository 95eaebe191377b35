import { describe, expect, test } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import type { HistoryRecord } from '../../shared/gmail/response-schemas.ts';
import { discoveredMessages, type LabelState, ruleForFetched } from '../../shared/ingest/label-rules.ts';

const NONE: LabelState = { kind: 'none' };
const WANTED: LabelState = { kind: 'resolved', id: 'Label_1' };
const MISSING: LabelState = { kind: 'missing', error: new AppError('label_missing', 'No such label.') };

function record(id: string, changes: Partial<HistoryRecord>): HistoryRecord {
  return { id, messagesAdded: [], labelsAdded: [], labelsRemoved: [], ...changes };
}

function arrival(historyId: string, labelIds?: string[], id = 'a'): HistoryRecord {
  return record(historyId, {
    messagesAdded: [{ message: { id, ...(labelIds === undefined ? {} : { labelIds }) } }],
  });
}

/** A record of a label change, with the labels after it. */
function change(
  historyId: string,
  labelIds: string[],
  { add = [], remove = [] }: { add?: string[]; remove?: string[] },
) {
  const message = { id: 'a', labelIds };
  return record(historyId, {
    labelsAdded: add.length === 0 ? [] : [{ message, labelIds: add }],
    labelsRemoved: remove.length === 0 ? [] : [{ message, labelIds: remove }],
  });
}

function found(ignoredRule: string | null, historyId: string | null, labelsUnknown = false) {
  return [{ gmailMessageId: 'a', ignoredRule, historyId, labelsUnknown }];
}

describe('arrival', () => {
  test('discovers an arrival in several records once, at the first of them', () => {
    const records = [arrival('7', ['INBOX']), arrival('9', ['INBOX', 'STARRED'])];
    expect(discoveredMessages(records, NONE)).toEqual({ discovered: found(null, '7'), unignored: [] });
  });

  test('classifies each arrival of a record by its own labels', () => {
    const both = record('7', {
      messagesAdded: [
        { message: { id: 'a', labelIds: ['INBOX'] } },
        { message: { id: 'b', labelIds: ['SPAM'] } },
      ],
    });
    expect(discoveredMessages([both], NONE).discovered.map((one) => one.ignoredRule)).toEqual([null, 'spam']);
  });

  test('leaves the labels of an arrival without labels unknown until it is fetched', () => {
    expect(discoveredMessages([arrival('7')], NONE).discovered).toEqual(found(null, '7', true));
  });

  test('classifies an arrival without labels by the labels of a later record', () => {
    const records = [arrival('7'), change('8', ['STARRED'], { add: ['STARRED'] })];
    expect(discoveredMessages(records, WANTED).discovered).toEqual(found('label', '7'));
  });

  test('accepts an arrival that another record shows to have been moved to the trash later', () => {
    const trashed = change('8', ['TRASH'], { add: ['TRASH'] });
    expect(discoveredMessages([arrival('7', ['TRASH']), trashed], NONE).discovered).toEqual(found(null, '7'));
    // On a page of its own, the record makes a message pending that an earlier page had ignored.
    expect(discoveredMessages([trashed], NONE).unignored).toEqual(['a']);
  });

  test.each([
    [['SENT', 'Label_1'], null],
    [['SENT'], 'label'],
    [['INBOX'], 'label'],
    [['DRAFT', 'Label_1'], 'draft'],
    [['CHAT', 'Label_1'], 'chat'],
    [['SPAM', 'Label_1'], 'spam'],
    [['TRASH', 'Label_1'], 'trash'],
  ])('an arrival with %j under a wanted label gets the rule %s', (labelIds, rule) => {
    expect(discoveredMessages([arrival('7', labelIds)], WANTED).discovered).toEqual(found(rule, '7'));
  });

  test('accepts an arrival in SENT when SENT is the wanted label', () => {
    const label: LabelState = { kind: 'resolved', id: 'SENT' };
    expect(discoveredMessages([arrival('7', ['SENT'])], label).discovered).toEqual(found(null, '7'));
  });

  test.each([
    [['INBOX'], null, true],
    [['SENT'], null, true],
    [['DRAFT'], 'draft', false],
    [['SPAM'], 'spam', false],
  ])(
    'an arrival with %j while the wanted label is missing gets the rule %s, labels unknown %s',
    (labelIds, rule, labelsUnknown) => {
      expect(discoveredMessages([arrival('7', labelIds)], MISSING).discovered).toEqual(
        found(rule, '7', labelsUnknown),
      );
    },
  );
});

describe('label change without an arrival', () => {
  const starred = (...labelIds: string[]) => change('8', [...labelIds, 'STARRED'], { add: ['STARRED'] });

  test.each([
    ['in the inbox', starred('INBOX'), NONE],
    ['archived', starred(), NONE],
    ['sent to oneself', starred('SENT', 'INBOX'), NONE],
    ['reported as spam', change('8', ['SPAM'], { add: ['SPAM'], remove: ['INBOX'] }), NONE],
    ['deleted', change('8', ['TRASH'], { add: ['TRASH'], remove: ['INBOX'] }), NONE],
    ['in the trash', starred('TRASH'), NONE],
    [
      'sent to oneself that was a draft',
      change('8', ['SENT', 'INBOX'], { add: ['SENT', 'INBOX'], remove: ['DRAFT'] }),
      NONE,
    ],
    ['in the inbox while the wanted label is missing', starred('INBOX'), MISSING],
    ['sent while the wanted label is missing', starred('SENT'), MISSING],
    ['with the wanted label', starred('SENT', 'Label_1'), WANTED],
  ])('a label change discovers a message %s, with unknown labels and no history id', (_case, one, label) => {
    expect(discoveredMessages([one], label).discovered).toEqual(found(null, null, true));
  });

  test.each([
    ['a draft', starred('DRAFT')],
    ['a draft that is thrown away', change('8', ['TRASH'], { add: ['TRASH'], remove: ['DRAFT'] })],
    ['a draft that is sent', change('8', ['SENT'], { add: ['SENT'], remove: ['DRAFT'] })],
    ['a chat', starred('CHAT')],
    ['spam that is read', change('8', ['SPAM'], { remove: ['UNREAD'] })],
    ['sent mail', starred('SENT')],
    ['sent mail that is deleted', change('8', ['SENT', 'TRASH'], { add: ['TRASH'] })],
  ])('a label change drops %s', (_case, one) => {
    expect(discoveredMessages([one], NONE)).toEqual({ discovered: [], unignored: [] });
  });

  test('a label change without the wanted label before or after enters the message as ignored for its label', () => {
    expect(discoveredMessages([starred('INBOX')], WANTED)).toEqual({
      discovered: found('label', null),
      unignored: [],
    });
  });

  test.each([
    ['added', change('8', ['INBOX', 'Label_1'], { add: ['Label_1'] })],
    ['removed', change('8', ['INBOX'], { remove: ['Label_1'] })],
  ])('a label change by which the wanted label is %s counts as an arrival', (_case, one) => {
    expect(discoveredMessages([one], WANTED)).toEqual({ discovered: found(null, '8'), unignored: ['a'] });
  });

  test('a move out of spam counts as an arrival, even while the wanted label is missing', () => {
    const rescued = change('8', ['INBOX'], { add: ['INBOX'], remove: ['SPAM'] });
    expect(discoveredMessages([rescued], NONE)).toEqual({ discovered: found(null, '8'), unignored: ['a'] });
    expect(discoveredMessages([rescued], MISSING)).toEqual({
      discovered: found(null, '8', true),
      unignored: ['a'],
    });
  });

  test('a move from spam to the trash gets the rule trash and is not unignored', () => {
    const moved = change('8', ['TRASH'], { add: ['TRASH'], remove: ['SPAM'] });
    expect(discoveredMessages([moved], NONE)).toEqual({ discovered: found('trash', '8'), unignored: [] });
  });
});

describe('fetched message', () => {
  test.each([
    [['INBOX'], NONE, null],
    [['TRASH'], NONE, null],
    [['SPAM', 'INBOX'], NONE, null],
    [['SENT', 'TRASH'], NONE, 'sent'],
    [['DRAFT'], NONE, 'draft'],
    [['SENT', 'Label_1'], WANTED, null],
    [['TRASH', 'Label_1'], WANTED, null],
    [['TRASH'], WANTED, 'label'],
    [['SPAM'], WANTED, 'label'],
  ])('a fetched message with %j under %j gets the rule %s', (labelIds, label, rule) => {
    expect(ruleForFetched(new Set(labelIds), label)).toBe(rule);
  });
});
