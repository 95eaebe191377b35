/** Listed messages, by the label of their listing and the label that is configured when they are fetched. */
import { expect, test } from 'vitest';
import { insertListJob } from '../helpers/listing-rows.ts';
import { ledger } from '../helpers/stored.ts';
import { mail } from '../helpers/test-emails.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();

/** Lists the mailbox and fetches nothing. */
async function listOnly(system: TestSystem): Promise<void> {
  system.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
  await system.ingest();
  system.gmail.faults.clear();
}

test.each([
  ['without a label', ''],
  ['under another label', 'Orders'],
])(
  'a message listed %s is classified by its labels once another label is configured',
  async (_case, before) => {
    const system = await createTestSystem({ env: { GMAIL_LABEL_ID: before } });
    const orders = system.gmail.createLabel('Orders');
    const invoices = system.gmail.createLabel('Invoices');
    const both = system.gmail.deliver(mail('Invoice'), { filterLabelIds: [orders, invoices] });
    const other = system.gmail.deliver(mail('Order'), { filterLabelIds: [orders] });
    await listOnly(system);
    expect(await ledger(system)).toEqual({ [both.id]: 'pending', [other.id]: 'pending' });
    await system.instance({ GMAIL_LABEL_ID: 'Invoices' }).ingest();
    expect(await ledger(system)).toEqual({ [both.id]: 'stored', [other.id]: 'ignored: label' });
  },
);

test('stores a message that lost the label between its listing and its fetch', async () => {
  const system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Orders' } });
  const orders = system.gmail.createLabel('Orders');
  const { id } = system.gmail.deliver(mail('Order'), { filterLabelIds: [orders] });
  await listOnly(system);
  system.gmail.modifyLabels(id, { remove: [orders] });
  await system.ingest();
  expect(await ledger(system)).toEqual({ [id]: 'stored' });
});

test('stores a message that was listed again under the configured label, although it has lost the label since', async () => {
  const system = await createTestSystem();
  const orders = system.gmail.createLabel('Orders');
  const { id } = system.gmail.deliver(mail('Order'), { filterLabelIds: [orders] });
  await listOnly(system);
  const labelled = system.instance({ GMAIL_LABEL_ID: 'Orders' });
  const { id: mailboxId } = (await system.rows<{ id: number }>('select id from mailboxes'))[0] ?? { id: 0 };
  await insertListJob(system.db, mailboxId, { purpose: 'backfill', query: 'in:anywhere' });
  system.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
  await labelled.ingest();
  system.gmail.faults.clear();
  system.gmail.modifyLabels(id, { remove: [orders] });
  await labelled.ingest();
  expect(await ledger(system)).toEqual({ [id]: 'stored' });
});

test('stores a message sent as the mailbox itself when a listing finds it under the label', async () => {
  const system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Orders' } });
  const orders = system.gmail.createLabel('Orders');
  const { id } = system.gmail.deliver(mail('Order'), { labelIds: ['SENT'], filterLabelIds: [orders] });
  await system.ingest();
  const { id: mailboxId } = (await system.rows<{ id: number }>('select id from mailboxes'))[0] ?? { id: 0 };
  await insertListJob(system.db, mailboxId, { purpose: 'backfill', query: 'in:anywhere' });
  await system.ingest();
  expect(await ledger(system)).toEqual({ [id]: 'stored' });
});

test.each([
  ['was moved out of the trash', ['TRASH'], { remove: ['TRASH'] }],
  ['was moved out of spam', ['SPAM'], { remove: ['SPAM'] }],
  ['was sent by the mailbox and moved to the inbox', ['SENT'], { add: ['INBOX'] }],
])(
  'stores a message that %s under another label, once no label is configured',
  async (_case, labelIds, change) => {
    const system = await createTestSystem();
    await system.ingest();
    system.gmail.createLabel('Orders');
    const { id } = system.gmail.deliver(mail('Order'), { labelIds });
    await system.ingest();
    const labelled = system.instance({ GMAIL_LABEL_ID: 'Orders' });
    await labelled.ingest();
    system.gmail.modifyLabels(id, change);
    // The second run confirms the cursor, so that no later run lists the change again.
    await labelled.ingest();
    await labelled.ingest();
    expect(await ledger(system)).toEqual({ [id]: 'ignored: label' });
    await system.ingest();
    expect(await ledger(system)).toEqual({ [id]: 'stored' });
  },
);

test('a reconciliation stores a message that was ignored as only sent before its label was configured', async () => {
  const system = await createTestSystem();
  await system.ingest();
  const orders = system.gmail.createLabel('Orders');
  const { id } = system.gmail.deliver(mail('Order'), { labelIds: ['SENT'], filterLabelIds: [orders] });
  await system.ingest();
  // Confirms the cursor, so that no later run lists the arrival again.
  await system.ingest();
  expect(await ledger(system)).toEqual({ [id]: 'ignored: sent' });
  await system.instance({ GMAIL_LABEL_ID: 'Orders' }).call('pollNow', { query: { reconcile: 'all' } });
  expect(await ledger(system)).toEqual({ [id]: 'stored' });
});
