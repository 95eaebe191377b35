import { describe, expect, test } from 'vitest';
import { ledger, storedIds } from '../helpers/stored.ts';
import { mail } from '../helpers/test-emails.ts';
import type { TestSystem, TestSystemOptions } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
let system: TestSystem;

/** A system after its first run: the history shows all later changes. */
async function startedSystem(options?: TestSystemOptions): Promise<TestSystem> {
  system = await createTestSystem(options);
  await system.ingest();
  return system;
}

async function stateOf(id: string): Promise<string | undefined> {
  await system.ingest();
  return (await ledger(system))[id];
}

describe('arrival', () => {
  test.each([
    [['INBOX', 'UNREAD'], 'stored'],
    [['INBOX'], 'stored'],
    [[], 'stored'],
    [['UNREAD', 'CATEGORY_PROMOTIONS'], 'stored'],
    [['SENT', 'INBOX'], 'stored'],
    [['SENT'], 'ignored: sent'],
    [['DRAFT'], 'ignored: draft'],
    [['CHAT'], 'ignored: chat'],
    [['SPAM', 'UNREAD'], 'ignored: spam'],
    [['TRASH', 'UNREAD'], 'ignored: trash'],
  ])('a message that arrives with the labels %j ends as %s', async (labelIds, state) => {
    const { gmail } = await startedSystem();
    const { id } = gmail.deliver(mail('Order'), { labelIds });
    expect(await stateOf(id)).toBe(state);
  });

  test('ignores each autosave of a draft and fetches none', async () => {
    const { gmail } = await startedSystem();
    let previous = gmail.saveDraft(mail('Draft 0')).id;
    for (let n = 1; n < 4; n += 1) previous = gmail.saveDraft(mail(`Draft ${n}`), previous).id;
    await system.ingest();
    expect(Object.values(await ledger(system))).toEqual(Array(4).fill('ignored: draft'));
    expect(gmail.callLog.countByMethod['messages.get']).toBeUndefined();
  });

  test('stores a message that a filter archives and labels on arrival', async () => {
    const { gmail } = await startedSystem();
    const label = gmail.createLabel('Orders');
    const { id } = gmail.deliver(mail('Order'), { labelIds: [], filterLabelIds: [label] });
    expect(await stateOf(id)).toBe('stored');
  });

  test.each([
    ['deleted', { add: ['TRASH'], remove: ['INBOX', 'UNREAD'] }],
    ['reported as spam', { add: ['SPAM'], remove: ['INBOX'] }],
    ['read', { remove: ['UNREAD'] }],
    ['archived', { remove: ['INBOX'] }],
  ])('stores a message that a colleague has %s before the poll', async (_case, change) => {
    const { gmail } = await startedSystem();
    const { id } = gmail.deliver(mail('Order'));
    gmail.modifyLabels(id, change);
    expect(await stateOf(id)).toBe('stored');
  });
});

describe('label change', () => {
  test('stores a message that is moved out of spam', async () => {
    const { gmail } = await startedSystem();
    const { id } = gmail.deliver(mail('Order'), { labelIds: ['SPAM', 'UNREAD'] });
    expect(await stateOf(id)).toBe('ignored: spam');
    gmail.modifyLabels(id, { add: ['INBOX'], remove: ['SPAM'] });
    expect(await stateOf(id)).toBe('stored');
  });

  test('stores a message that was in spam before the first start and is moved out of it', async () => {
    system = await createTestSystem();
    const { id } = system.gmail.deliver(mail('Order'), { labelIds: ['SPAM', 'UNREAD'] });
    await system.ingest();
    expect(await ledger(system)).toEqual({});
    system.gmail.modifyLabels(id, { add: ['INBOX'], remove: ['SPAM'] });
    expect(await stateOf(id)).toBe('stored');
  });

  test('stores a message that arrived in the trash and is moved out of it', async () => {
    const { gmail } = await startedSystem();
    const { id } = gmail.deliver(mail('Order'), { labelIds: ['TRASH', 'UNREAD'] });
    expect(await stateOf(id)).toBe('ignored: trash');
    gmail.modifyLabels(id, { add: ['INBOX'], remove: ['TRASH'] });
    expect(await stateOf(id)).toBe('stored');
  });

  test.each([
    ['spam that is moved to the trash', ['SPAM'], { add: ['TRASH'], remove: ['SPAM'] }, 'ignored: spam'],
    ['a draft that is thrown away', ['DRAFT'], { add: ['TRASH'], remove: ['DRAFT'] }, 'ignored: draft'],
    ['a draft that is sent', ['DRAFT'], { add: ['SENT'], remove: ['DRAFT'] }, 'ignored: draft'],
    ['spam that gets a star', ['SPAM'], { add: ['STARRED'] }, 'ignored: spam'],
  ])('keeps ignoring %s', async (_case, labelIds, change, state) => {
    const { gmail } = await startedSystem();
    const { id } = gmail.deliver(mail('Cheap pills'), { labelIds });
    await system.ingest();
    gmail.modifyLabels(id, change);
    // The rule may have changed, but the message is still ignored.
    expect((await stateOf(id))?.split(':')[0]).toBe(state.split(':')[0]);
    expect(await storedIds(system)).toEqual([]);
  });

  test('a label change of a message from before the first start stores nothing', async () => {
    system = await createTestSystem();
    const { id } = system.gmail.deliver(mail('Old'), { labelIds: ['INBOX'] });
    await system.ingest();
    system.gmail.modifyLabels(id, { add: ['STARRED'], remove: ['INBOX'] });
    expect(await stateOf(id)).toBe('ignored: before_start');
    expect(await storedIds(system)).toEqual([]);
  });

  test('a label change of a message whose arrival the history never showed stores it', async () => {
    const { gmail } = await startedSystem();
    // The record of the arrival stays hidden; that of the label does not.
    gmail.indexLag.nextRecordMs = 3_600_000;
    const { id } = gmail.deliver(mail('Order'));
    gmail.modifyLabels(id, { add: ['STARRED'] });
    expect(await stateOf(id)).toBe('stored');
  });

  test('a label change of unknown spam, drafts, chats and sent messages stores nothing and costs no fetch', async () => {
    system = await createTestSystem();
    // Older than the window of the reconciliation.
    const internalDate = new Date(Date.now() - 86_400_000);
    const ids = ['SPAM', 'DRAFT', 'CHAT', 'SENT'].map(
      (label) => system.gmail.deliver(mail(label), { labelIds: [label], internalDate }).id,
    );
    await system.ingest();
    for (const id of ids) system.gmail.modifyLabels(id, { add: ['STARRED'] });
    await system.ingest();
    expect(await storedIds(system)).toEqual([]);
    expect(system.gmail.callLog.countByMethod['messages.get']).toBeUndefined();
  });

  test('a label change in the trash does not store a message that arrived there', async () => {
    const { gmail } = await startedSystem();
    const { id } = gmail.deliver(mail('Order'), { labelIds: ['TRASH', 'UNREAD'] });
    await system.ingest();
    gmail.modifyLabels(id, { add: ['STARRED'] });
    expect(await stateOf(id)).toBe('ignored: trash');
  });

  test('stores a message with many label changes once', async () => {
    const { gmail } = await startedSystem();
    const { id } = gmail.deliver(mail('Order'));
    for (const add of ['STARRED', 'IMPORTANT']) gmail.modifyLabels(id, { add: [add] });
    gmail.modifyLabels(id, { remove: ['STARRED'] });
    expect(await stateOf(id)).toBe('stored');
    expect(gmail.callLog.countByMethod['messages.get']).toBe(1);
  });
});

describe('wanted label', () => {
  async function wanted(): Promise<{ gmail: TestSystem['gmail']; label: string }> {
    system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Label_1' } });
    const label = system.gmail.createLabel('Orders');
    await system.ingest();
    return { gmail: system.gmail, label };
  }

  test('stores a message that arrives with the wanted label and ignores one without it', async () => {
    const { gmail, label } = await wanted();
    const with_ = gmail.deliver(mail('Order'), { filterLabelIds: [label] });
    const without = gmail.deliver(mail('Newsletter'));
    await system.ingest();
    expect(await ledger(system)).toEqual({ [with_.id]: 'stored', [without.id]: 'ignored: label' });
  });

  test('stores a message sent as the mailbox itself that a filter files under the wanted label', async () => {
    const { gmail, label } = await wanted();
    const filed = gmail.deliver(mail('Order'), { labelIds: ['SENT'], filterLabelIds: [label] });
    const answered = gmail.deliver(mail('Answer'), { labelIds: ['SENT'] });
    await system.ingest();
    expect(await ledger(system)).toEqual({ [filed.id]: 'stored', [answered.id]: 'ignored: label' });
  });

  test.each(['DRAFT', 'CHAT', 'SPAM', 'TRASH'])(
    'ignores a message that arrives with the wanted label in %s',
    async (labelId) => {
      const { gmail, label } = await wanted();
      const { id } = gmail.deliver(mail('Order'), { labelIds: [labelId], filterLabelIds: [label] });
      expect(await stateOf(id)).toBe(`ignored: ${labelId.toLowerCase()}`);
    },
  );

  test('stores a message with the wanted label when the setting is its name', async () => {
    system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'orders' } });
    const label = system.gmail.createLabel('Orders');
    await system.ingest();
    const { id } = system.gmail.deliver(mail('Order'), { filterLabelIds: [label] });
    const other = system.gmail.deliver(mail('Newsletter'));
    await system.ingest();
    expect(await ledger(system)).toEqual({ [id]: 'stored', [other.id]: 'ignored: label' });
  });

  test('keeps messages pending while the wanted label does not exist, reports the existing labels, and stores them once it does', async () => {
    system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Orders' } });
    system.gmail.createLabel('Invoices');
    await system.call('start');
    expect((await system.call('status')).json).toMatchObject({
      state: 'access_denied',
      last_error: expect.stringContaining('"Invoices"'),
      mailboxes: [{ last_error: { code: 'label_missing', detail: expect.stringContaining('"Invoices"') } }],
    });
    const { id } = system.gmail.deliver(mail('Order'));
    expect(await stateOf(id)).toBe('pending');
    expect(system.gmail.callLog.countByMethod['messages.get']).toBeUndefined();
    const label = system.gmail.createLabel('Orders');
    system.gmail.modifyLabels(id, { add: [label] });
    expect(await stateOf(id)).toBe('stored');
  });

  test('stores a message that was ignored for another label when it carries the label of the new setting', async () => {
    const { gmail } = await wanted();
    const invoices = gmail.createLabel('Invoices');
    const { id } = gmail.deliver(mail('Invoice'), { filterLabelIds: [invoices] });
    expect(await stateOf(id)).toBe('ignored: label');
    await system.instance({ GMAIL_LABEL_ID: 'Invoices' }).ingest();
    expect((await ledger(system))[id]).toBe('stored');
  });

  test('stores a message that gets the wanted label later', async () => {
    const { gmail, label } = await wanted();
    const { id } = gmail.deliver(mail('Order'));
    expect(await stateOf(id)).toBe('ignored: label');
    gmail.modifyLabels(id, { add: [label] });
    expect(await stateOf(id)).toBe('stored');
  });

  test('stores a message that got and lost the wanted label between two polls', async () => {
    const { gmail, label } = await wanted();
    const { id } = gmail.deliver(mail('Order'));
    gmail.modifyLabels(id, { add: [label] });
    gmail.modifyLabels(id, { remove: [label] });
    expect(await stateOf(id)).toBe('stored');
  });

  test('stores a message from before the first start that gets the wanted label, but not one that gets another label', async () => {
    system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Label_1' } });
    const label = system.gmail.createLabel('Orders');
    const old = system.gmail.deliver(mail('Old'), { labelIds: ['INBOX'] });
    const other = system.gmail.deliver(mail('Other'), { labelIds: ['INBOX'] });
    await system.ingest();
    system.gmail.modifyLabels(old.id, { add: [label] });
    system.gmail.modifyLabels(other.id, { add: ['STARRED'] });
    await system.ingest();
    expect(await storedIds(system)).toEqual([old.id]);
  });

  test('the first listing stores only messages with the wanted label', async () => {
    system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Label_1' } });
    const label = system.gmail.createLabel('Orders');
    const { id } = system.gmail.deliver(mail('Order'), { filterLabelIds: [label] });
    system.gmail.deliver(mail('Newsletter'));
    await system.ingest();
    expect(await ledger(system)).toEqual({ [id]: 'stored' });
  });

  test('stores a message moved out of spam if it carries the wanted label, even from before the first start', async () => {
    system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Label_1' } });
    const label = system.gmail.createLabel('Orders');
    const { id } = system.gmail.deliver(mail('Order'), { labelIds: ['SPAM', label] });
    const other = system.gmail.deliver(mail('Other'), { labelIds: ['SPAM'] });
    await system.ingest();
    for (const one of [id, other.id]) system.gmail.modifyLabels(one, { add: ['INBOX'], remove: ['SPAM'] });
    await system.ingest();
    expect(await ledger(system)).toEqual({ [id]: 'stored', [other.id]: 'ignored: label' });
  });
});

describe('listed drafts and sent messages', () => {
  test('ignores listed drafts and sent messages when they are fetched', async () => {
    system = await createTestSystem({ env: { GMAIL_INITIAL_QUERY: 'in:anywhere' } });
    const draft = system.gmail.saveDraft(mail('Draft'));
    const sent = system.gmail.deliver(mail('Sent'), { labelIds: ['SENT'] });
    const order = system.gmail.deliver(mail('Order'), { labelIds: [] });
    await system.ingest();
    expect(await ledger(system)).toEqual({
      [draft.id]: 'ignored: draft',
      [sent.id]: 'ignored: sent',
      [order.id]: 'stored',
    });
  });

  test('keeps ignoring a listed draft that the history had ignored', async () => {
    const { gmail } = await startedSystem();
    const draft = gmail.saveDraft(mail('Draft'));
    await system.ingest();
    await system.db.query(
      "insert into list_jobs (mailbox_id, purpose, query) values (1, 'backfill', 'in:anywhere')",
    );
    expect(await stateOf(draft.id)).toBe('ignored: draft');
    expect(await storedIds(system)).toEqual([]);
  });
});
