import { describe, expect, test } from 'vitest';
import { mail } from '../helpers/mails.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import type { World, WorldOptions } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();
let world: World;

/** A mailbox that is watched already: what happens from here on is history. */
async function watched(options?: WorldOptions): Promise<World> {
  world = await createWorld(options);
  await world.ingest();
  return world;
}

async function fateOf(id: string): Promise<string | undefined> {
  await world.ingest();
  return (await ledger(world))[id];
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
    await world.ingest();
    expect(Object.values(await ledger(world))).toEqual(Array(4).fill('ignored: draft'));
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
    world = await createWorld();
    const { id } = world.gmail.deliver(mail('Order'), { labelIds: ['SPAM', 'UNREAD'] });
    await world.ingest();
    expect(await ledger(world)).toEqual({});
    world.gmail.modifyLabels(id, { add: ['INBOX'], remove: ['SPAM'] });
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
    await world.ingest();
    gmail.modifyLabels(id, change);
    // The rule may be another one by now; the mail stays out.
    expect((await fateOf(id))?.split(':')[0]).toBe(fate.split(':')[0]);
    expect(await storedIds(world)).toEqual([]);
  });

  test('of a mail from before the first start stores nothing', async () => {
    world = await createWorld();
    const { id } = world.gmail.deliver(mail('Old'), { labelIds: ['INBOX'] });
    await world.ingest();
    world.gmail.modifyLabels(id, { add: ['STARRED'], remove: ['INBOX'] });
    expect(await fateOf(id)).toBe('ignored: before_start');
    expect(await storedIds(world)).toEqual([]);
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
    world = await createWorld();
    // Older than the window of the reconciliation.
    const internalDate = new Date(Date.now() - 86_400_000);
    const ids = ['SPAM', 'DRAFT', 'CHAT', 'SENT'].map(
      (label) => world.gmail.deliver(mail(label), { labelIds: [label], internalDate }).id,
    );
    await world.ingest();
    for (const id of ids) world.gmail.modifyLabels(id, { add: ['STARRED'] });
    await world.ingest();
    expect(await storedIds(world)).toEqual([]);
    expect(world.gmail.callLog.countByMethod['messages.get']).toBeUndefined();
  });

  test('in the trash does not bring back what a filter had put there', async () => {
    const { gmail } = await watched();
    const { id } = gmail.deliver(mail('Order'), { labelIds: ['TRASH', 'UNREAD'] });
    await world.ingest();
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
  async function wanted(): Promise<{ gmail: World['gmail']; label: string }> {
    world = await createWorld({ env: { GMAIL_LABEL_ID: 'Label_1' } });
    const label = world.gmail.createLabel('Orders');
    await world.ingest();
    return { gmail: world.gmail, label };
  }

  test('a mail that arrives with it is stored, one without is kept out by that rule', async () => {
    const { gmail, label } = await wanted();
    const with_ = gmail.deliver(mail('Order'), { filterLabelIds: [label] });
    const without = gmail.deliver(mail('Newsletter'));
    await world.ingest();
    expect(await ledger(world)).toEqual({ [with_.id]: 'stored', [without.id]: 'ignored: label' });
  });

  test('an order form that sends as the mailbox itself is taken, once a filter files it under the label', async () => {
    const { gmail, label } = await wanted();
    const filed = gmail.deliver(mail('Order'), { labelIds: ['SENT'], filterLabelIds: [label] });
    const answered = gmail.deliver(mail('Answer'), { labelIds: ['SENT'] });
    await world.ingest();
    expect(await ledger(world)).toEqual({ [filed.id]: 'stored', [answered.id]: 'ignored: label' });
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
    world = await createWorld({ env: { GMAIL_LABEL_ID: 'orders' } });
    const label = world.gmail.createLabel('Orders');
    await world.ingest();
    const { id } = world.gmail.deliver(mail('Order'), { filterLabelIds: [label] });
    const other = world.gmail.deliver(mail('Newsletter'));
    await world.ingest();
    expect(await ledger(world)).toEqual({ [id]: 'stored', [other.id]: 'ignored: label' });
  });

  test('and does not exist, mail waits in the ledger, the status says which labels there are, and all is stored once it exists', async () => {
    world = await createWorld({ env: { GMAIL_LABEL_ID: 'Orders' } });
    world.gmail.createLabel('Invoices');
    await world.call('start');
    expect((await world.call('status')).json).toMatchObject({
      state: 'access_denied',
      mailboxes: [{ last_error: { code: 'label_missing', detail: expect.stringContaining('"Invoices"') } }],
    });
    const { id } = world.gmail.deliver(mail('Order'));
    expect(await fateOf(id)).toBe('pending');
    expect(world.gmail.callLog.countByMethod['messages.get']).toBeUndefined();
    const label = world.gmail.createLabel('Orders');
    world.gmail.modifyLabels(id, { add: [label] });
    expect(await fateOf(id)).toBe('stored');
  });

  test('a mail that was ignored under another label is stored when that of the new setting is on it', async () => {
    const { gmail } = await wanted();
    const invoices = gmail.createLabel('Invoices');
    const { id } = gmail.deliver(mail('Invoice'), { filterLabelIds: [invoices] });
    expect(await fateOf(id)).toBe('ignored: label');
    await world.instance({ GMAIL_LABEL_ID: 'Invoices' }).ingest();
    expect((await ledger(world))[id]).toBe('stored');
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
    world = await createWorld({ env: { GMAIL_LABEL_ID: 'Label_1' } });
    const label = world.gmail.createLabel('Orders');
    const old = world.gmail.deliver(mail('Old'), { labelIds: ['INBOX'] });
    const other = world.gmail.deliver(mail('Other'), { labelIds: ['INBOX'] });
    await world.ingest();
    world.gmail.modifyLabels(old.id, { add: [label] });
    world.gmail.modifyLabels(other.id, { add: ['STARRED'] });
    await world.ingest();
    expect(await storedIds(world)).toEqual([old.id]);
  });

  test('the first listing takes only mail that carries it', async () => {
    world = await createWorld({ env: { GMAIL_LABEL_ID: 'Label_1' } });
    const label = world.gmail.createLabel('Orders');
    const { id } = world.gmail.deliver(mail('Order'), { filterLabelIds: [label] });
    world.gmail.deliver(mail('Newsletter'));
    await world.ingest();
    expect(await ledger(world)).toEqual({ [id]: 'stored' });
  });

  test('a rescue from spam counts if the mail carries it, also one of before the first start', async () => {
    world = await createWorld({ env: { GMAIL_LABEL_ID: 'Label_1' } });
    const label = world.gmail.createLabel('Orders');
    const { id } = world.gmail.deliver(mail('Order'), { labelIds: ['SPAM', label] });
    const other = world.gmail.deliver(mail('Other'), { labelIds: ['SPAM'] });
    await world.ingest();
    for (const one of [id, other.id]) world.gmail.modifyLabels(one, { add: ['INBOX'], remove: ['SPAM'] });
    await world.ingest();
    expect(await ledger(world)).toEqual({ [id]: 'stored', [other.id]: 'ignored: label' });
  });
});

describe('drafts and sent mail that a listing names', () => {
  test('are told apart when they are fetched', async () => {
    world = await createWorld({ env: { GMAIL_INITIAL_QUERY: 'in:anywhere' } });
    const draft = world.gmail.saveDraft(mail('Draft'));
    const sent = world.gmail.deliver(mail('Sent'), { labelIds: ['SENT'] });
    const order = world.gmail.deliver(mail('Order'), { labelIds: [] });
    await world.ingest();
    expect(await ledger(world)).toEqual({
      [draft.id]: 'ignored: draft',
      [sent.id]: 'ignored: sent',
      [order.id]: 'stored',
    });
  });

  test('stay out when the history had left them out before', async () => {
    const { gmail } = await watched();
    const draft = gmail.saveDraft(mail('Draft'));
    await world.ingest();
    await world.db.query(
      "insert into list_jobs (mailbox_id, purpose, query) values (1, 'backfill', 'in:anywhere')",
    );
    expect(await fateOf(draft.id)).toBe('ignored: draft');
    expect(await storedIds(world)).toEqual([]);
  });
});
