import { describe, expect, test } from 'vitest';
import { mail } from '../helpers/mails.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import type { TestSystem, TestSystemOptions } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
let system: TestSystem;

/** A mailbox that is watched already: what happens from here on is history. */
async function watched(options?: TestSystemOptions): Promise<TestSystem> {
  system = await createTestSystem(options);
  await system.ingest();
  return system;
}

async function fateOf(id: string): Promise<string | undefined> {
  await system.ingest();
  return (await ledger(system))[id];
}

describe('an arrival', () => {
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
  ])('with the labels %j ends as %s', async (labelIds, fate) => {
    const { gmail } = await watched();
    const { id } = gmail.deliver(mail('Order'), { labelIds });
    expect(await fateOf(id)).toBe(fate);
  });

  test('of a draft happens at each autosave, and none is fetched', async () => {
    const { gmail } = await watched();
    let previous = gmail.saveDraft(mail('Draft 0')).id;
    for (let n = 1; n < 4; n += 1) previous = gmail.saveDraft(mail(`Draft ${n}`), previous).id;
    await system.ingest();
    expect(Object.values(await ledger(system))).toEqual(Array(4).fill('ignored: draft'));
    expect(gmail.callLog.countByMethod['messages.get']).toBeUndefined();
  });

  test('that a filter archives and labels at once is stored', async () => {
    const { gmail } = await watched();
    const label = gmail.createLabel('Orders');
    const { id } = gmail.deliver(mail('Order'), { labelIds: [], filterLabelIds: [label] });
    expect(await fateOf(id)).toBe('stored');
  });

  test.each([
    ['deleted', { add: ['TRASH'], remove: ['INBOX', 'UNREAD'] }],
    ['reported as spam', { add: ['SPAM'], remove: ['INBOX'] }],
    ['read', { remove: ['UNREAD'] }],
    ['archived', { remove: ['INBOX'] }],
  ])('that a colleague has %s before the poll is stored', async (_case, change) => {
    const { gmail } = await watched();
    const { id } = gmail.deliver(mail('Order'));
    gmail.modifyLabels(id, change);
    expect(await fateOf(id)).toBe('stored');
  });
});

describe('a change of labels', () => {
  test('that rescues a mail from spam stores it', async () => {
    const { gmail } = await watched();
    const { id } = gmail.deliver(mail('Order'), { labelIds: ['SPAM', 'UNREAD'] });
    expect(await fateOf(id)).toBe('ignored: spam');
    gmail.modifyLabels(id, { add: ['INBOX'], remove: ['SPAM'] });
    expect(await fateOf(id)).toBe('stored');
  });

  test('that rescues a mail from the spam of before the first start stores it', async () => {
    system = await createTestSystem();
    const { id } = system.gmail.deliver(mail('Order'), { labelIds: ['SPAM', 'UNREAD'] });
    await system.ingest();
    expect(await ledger(system)).toEqual({});
    system.gmail.modifyLabels(id, { add: ['INBOX'], remove: ['SPAM'] });
    expect(await fateOf(id)).toBe('stored');
  });

  test('that takes a mail out of the trash stores it, if a filter had put it there', async () => {
    const { gmail } = await watched();
    const { id } = gmail.deliver(mail('Order'), { labelIds: ['TRASH', 'UNREAD'] });
    expect(await fateOf(id)).toBe('ignored: trash');
    gmail.modifyLabels(id, { add: ['INBOX'], remove: ['TRASH'] });
    expect(await fateOf(id)).toBe('stored');
  });

  test.each([
    ['spam that is moved to the trash', ['SPAM'], { add: ['TRASH'], remove: ['SPAM'] }, 'ignored: spam'],
    ['a draft that is thrown away', ['DRAFT'], { add: ['TRASH'], remove: ['DRAFT'] }, 'ignored: draft'],
    ['a draft that is sent', ['DRAFT'], { add: ['SENT'], remove: ['DRAFT'] }, 'ignored: draft'],
    ['spam that somebody stars', ['SPAM'], { add: ['STARRED'] }, 'ignored: spam'],
  ])('lets %s out as before', async (_case, labelIds, change, fate) => {
    const { gmail } = await watched();
    const { id } = gmail.deliver(mail('Cheap pills'), { labelIds });
    await system.ingest();
    gmail.modifyLabels(id, change);
    // The rule may be another one by now; the mail stays out.
    expect((await fateOf(id))?.split(':')[0]).toBe(fate.split(':')[0]);
    expect(await storedIds(system)).toEqual([]);
  });

  test('of a mail from before the first start stores nothing', async () => {
    system = await createTestSystem();
    const { id } = system.gmail.deliver(mail('Old'), { labelIds: ['INBOX'] });
    await system.ingest();
    system.gmail.modifyLabels(id, { add: ['STARRED'], remove: ['INBOX'] });
    expect(await fateOf(id)).toBe('ignored: before_start');
    expect(await storedIds(system)).toEqual([]);
  });

  test('of a mail whose arrival the history never showed stores it', async () => {
    const { gmail } = await watched();
    // The record of the arrival stays hidden; that of the label does not.
    gmail.indexLag.nextRecordMs = 3_600_000;
    const { id } = gmail.deliver(mail('Order'));
    gmail.modifyLabels(id, { add: ['STARRED'] });
    expect(await fateOf(id)).toBe('stored');
  });

  test('of spam, of a draft, of a chat and of sent mail that the ledger does not know stores nothing and costs no fetch', async () => {
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

  test('in the trash does not bring back what a filter had put there', async () => {
    const { gmail } = await watched();
    const { id } = gmail.deliver(mail('Order'), { labelIds: ['TRASH', 'UNREAD'] });
    await system.ingest();
    gmail.modifyLabels(id, { add: ['STARRED'] });
    expect(await fateOf(id)).toBe('ignored: trash');
  });

  test('in many records stores a mail once', async () => {
    const { gmail } = await watched();
    const { id } = gmail.deliver(mail('Order'));
    for (const add of ['STARRED', 'IMPORTANT']) gmail.modifyLabels(id, { add: [add] });
    gmail.modifyLabels(id, { remove: ['STARRED'] });
    expect(await fateOf(id)).toBe('stored');
    expect(gmail.callLog.countByMethod['messages.get']).toBe(1);
  });
});

describe('with a label that is wanted', () => {
  async function wanted(): Promise<{ gmail: TestSystem['gmail']; label: string }> {
    system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Label_1' } });
    const label = system.gmail.createLabel('Orders');
    await system.ingest();
    return { gmail: system.gmail, label };
  }

  test('a mail that arrives with it is stored, one without is kept out by that rule', async () => {
    const { gmail, label } = await wanted();
    const with_ = gmail.deliver(mail('Order'), { filterLabelIds: [label] });
    const without = gmail.deliver(mail('Newsletter'));
    await system.ingest();
    expect(await ledger(system)).toEqual({ [with_.id]: 'stored', [without.id]: 'ignored: label' });
  });

  test('an order form that sends as the mailbox itself is taken, once a filter files it under the label', async () => {
    const { gmail, label } = await wanted();
    const filed = gmail.deliver(mail('Order'), { labelIds: ['SENT'], filterLabelIds: [label] });
    const answered = gmail.deliver(mail('Answer'), { labelIds: ['SENT'] });
    await system.ingest();
    expect(await ledger(system)).toEqual({ [filed.id]: 'stored', [answered.id]: 'ignored: label' });
  });

  test.each(['DRAFT', 'CHAT', 'SPAM', 'TRASH'])(
    'a mail that arrives with it in %s stays out',
    async (labelId) => {
      const { gmail, label } = await wanted();
      const { id } = gmail.deliver(mail('Order'), { labelIds: [labelId], filterLabelIds: [label] });
      expect(await fateOf(id)).toBe(`ignored: ${labelId.toLowerCase()}`);
    },
  );

  test('that is configured by its name, a mail with it is stored', async () => {
    system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'orders' } });
    const label = system.gmail.createLabel('Orders');
    await system.ingest();
    const { id } = system.gmail.deliver(mail('Order'), { filterLabelIds: [label] });
    const other = system.gmail.deliver(mail('Newsletter'));
    await system.ingest();
    expect(await ledger(system)).toEqual({ [id]: 'stored', [other.id]: 'ignored: label' });
  });

  test('and does not exist, mail waits in the ledger, the status says which labels there are, and all is stored once it exists', async () => {
    system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Orders' } });
    system.gmail.createLabel('Invoices');
    await system.call('start');
    expect((await system.call('status')).json).toMatchObject({
      state: 'access_denied',
      mailboxes: [{ last_error: { code: 'label_missing', detail: expect.stringContaining('"Invoices"') } }],
    });
    const { id } = system.gmail.deliver(mail('Order'));
    expect(await fateOf(id)).toBe('pending');
    expect(system.gmail.callLog.countByMethod['messages.get']).toBeUndefined();
    const label = system.gmail.createLabel('Orders');
    system.gmail.modifyLabels(id, { add: [label] });
    expect(await fateOf(id)).toBe('stored');
  });

  test('a mail that was ignored under another label is stored when that of the new setting is on it', async () => {
    const { gmail } = await wanted();
    const invoices = gmail.createLabel('Invoices');
    const { id } = gmail.deliver(mail('Invoice'), { filterLabelIds: [invoices] });
    expect(await fateOf(id)).toBe('ignored: label');
    await system.instance({ GMAIL_LABEL_ID: 'Invoices' }).ingest();
    expect((await ledger(system))[id]).toBe('stored');
  });

  test('a mail that gets it later is stored then', async () => {
    const { gmail, label } = await wanted();
    const { id } = gmail.deliver(mail('Order'));
    expect(await fateOf(id)).toBe('ignored: label');
    gmail.modifyLabels(id, { add: [label] });
    expect(await fateOf(id)).toBe('stored');
  });

  test('a mail that got it and lost it between two polls is stored', async () => {
    const { gmail, label } = await wanted();
    const { id } = gmail.deliver(mail('Order'));
    gmail.modifyLabels(id, { add: [label] });
    gmail.modifyLabels(id, { remove: [label] });
    expect(await fateOf(id)).toBe('stored');
  });

  test('a mail of before the first start that gets it is stored, and one that gets another is not', async () => {
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

  test('the first listing takes only mail that carries it', async () => {
    system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Label_1' } });
    const label = system.gmail.createLabel('Orders');
    const { id } = system.gmail.deliver(mail('Order'), { filterLabelIds: [label] });
    system.gmail.deliver(mail('Newsletter'));
    await system.ingest();
    expect(await ledger(system)).toEqual({ [id]: 'stored' });
  });

  test('a rescue from spam counts if the mail carries it, also one of before the first start', async () => {
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

describe('drafts and sent mail that a listing names', () => {
  test('are told apart when they are fetched', async () => {
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

  test('stay out when the history had left them out before', async () => {
    const { gmail } = await watched();
    const draft = gmail.saveDraft(mail('Draft'));
    await system.ingest();
    await system.db.query(
      "insert into list_jobs (mailbox_id, purpose, query) values (1, 'backfill', 'in:anywhere')",
    );
    expect(await fateOf(draft.id)).toBe('ignored: draft');
    expect(await storedIds(system)).toEqual([]);
  });
});
