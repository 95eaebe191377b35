/** Mail that a listing found, by the label that it was listed under and the label that counts when it is fetched. */
import { expect, test } from 'vitest';
import { insertListJob } from '../helpers/listing-rows.ts';
import { mail } from '../helpers/mails.ts';
import { ledger } from '../helpers/stored.ts';
import type { World } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();

/** Lists what is in the mailbox, and fetches nothing of it. */
async function listOnly(world: World): Promise<void> {
  world.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
  await world.ingest();
  world.gmail.faults.clear();
}

test.each([
  ['without a label', ''],
  ['under another label', 'Orders'],
])('a mail that was listed %s is judged by its labels when a label counts', async (_case, before) => {
  const world = await createWorld({ env: { GMAIL_LABEL_ID: before } });
  const orders = world.gmail.createLabel('Orders');
  const invoices = world.gmail.createLabel('Invoices');
  const both = world.gmail.deliver(mail('Invoice'), { filterLabelIds: [orders, invoices] });
  const other = world.gmail.deliver(mail('Order'), { filterLabelIds: [orders] });
  await listOnly(world);
  expect(await ledger(world)).toEqual({ [both.id]: 'pending', [other.id]: 'pending' });
  await world.instance({ GMAIL_LABEL_ID: 'Invoices' }).ingest();
  expect(await ledger(world)).toEqual({ [both.id]: 'stored', [other.id]: 'ignored: label' });
});

test('a mail that lost the label between its listing and its fetching is stored', async () => {
  const world = await createWorld({ env: { GMAIL_LABEL_ID: 'Orders' } });
  const orders = world.gmail.createLabel('Orders');
  const { id } = world.gmail.deliver(mail('Order'), { filterLabelIds: [orders] });
  await listOnly(world);
  world.gmail.modifyLabels(id, { remove: [orders] });
  await world.ingest();
  expect(await ledger(world)).toEqual({ [id]: 'stored' });
});

test('a mail that was listed again under the label that counts now is stored, though it has lost the label', async () => {
  const world = await createWorld();
  const orders = world.gmail.createLabel('Orders');
  const { id } = world.gmail.deliver(mail('Order'), { filterLabelIds: [orders] });
  await listOnly(world);
  const labelled = world.instance({ GMAIL_LABEL_ID: 'Orders' });
  const { id: mailboxId } = (await world.rows<{ id: number }>('select id from mailboxes'))[0] ?? { id: 0 };
  await insertListJob(world.db, mailboxId, { purpose: 'backfill', query: 'in:anywhere' });
  world.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
  await labelled.ingest();
  world.gmail.faults.clear();
  world.gmail.modifyLabels(id, { remove: [orders] });
  await labelled.ingest();
  expect(await ledger(world)).toEqual({ [id]: 'stored' });
});

test('an order form that sends as the mailbox itself is stored when a listing finds it under the label', async () => {
  const world = await createWorld({ env: { GMAIL_LABEL_ID: 'Orders' } });
  const orders = world.gmail.createLabel('Orders');
  const { id } = world.gmail.deliver(mail('Order'), { labelIds: ['SENT'], filterLabelIds: [orders] });
  await world.ingest();
  const { id: mailboxId } = (await world.rows<{ id: number }>('select id from mailboxes'))[0] ?? { id: 0 };
  await insertListJob(world.db, mailboxId, { purpose: 'backfill', query: 'in:anywhere' });
  await world.ingest();
  expect(await ledger(world)).toEqual({ [id]: 'stored' });
});
