/** A process that works on several mailboxes: which message a crash is charged to. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { EmulatedGmail } from '../../emulators/gmail/emulated-gmail.ts';
import { CallGate } from '../helpers/call-gate.ts';
import { type ManyMailboxes, useManyMailboxes } from '../helpers/many-mailboxes.ts';
import { recordOpenWithSuspect } from '../helpers/open-claims.ts';
import { mail } from '../helpers/test-emails.ts';

const createSystem = useManyMailboxes();
const ANN = 'ann@example.com';
const BOB = 'bob@example.com';

/** Two mailboxes with one new message each. A process whose calls are held counts as dead once its leases are over. */
async function twoMailboxes() {
  const gate = new CallGate();
  const system = await createSystem({ gmail: { timers: gate.timers } });
  const [ann, bob] = [(await system.add(ANN)).gmail, (await system.add(BOB)).gmail];
  await system.call('pollNow');
  const killer = ann.deliver(mail('Killer')).id;
  bob.deliver(mail('Innocent'));
  return { system, gate, ann, bob, killer };
}

async function expireLeases(system: ManyMailboxes): Promise<void> {
  await system.rows("update mailboxes set lease_expires_at = now() - interval '1 second'");
}

/** Records each message that is ever charged for a crash. */
async function recordCharges(system: ManyMailboxes): Promise<() => Promise<string[]>> {
  await system.rows('create table charges (gmail_message_id text)');
  await system.rows(`
    create function note_charge() returns trigger language plpgsql as
    $$ begin insert into charges values (new.gmail_message_id); return null; end $$`);
  await system.rows(`
    create trigger note_charge after update on email_ledger for each row
    when (new.crash_count > old.crash_count) execute function note_charge()`);
  return async () =>
    (await system.rows<{ id: string }>('select gmail_message_id as id from charges')).map(({ id }) => id);
}

/** Records each run that reserves units for a message. A run that waits for a suspect gives them back after a second. */
async function recordReservations(system: ManyMailboxes): Promise<(address: string) => Promise<void>> {
  await system.rows('create table reservations (email_address text)');
  await system.rows(`
    create function note_reservation() returns trigger language plpgsql as
    $$ begin
      insert into reservations
      select email_address from mailboxes where id = new.mailbox_id and lease_token is not null;
      return null;
    end $$`);
  await system.rows(`
    create trigger note_reservation after update on mailbox_quota for each row
    when (new.available_units < 5885) execute function note_reservation()`);
  return async (address) =>
    await vi.waitFor(
      async () => {
        const { length } = await system.rows('select from reservations where email_address = $1', [address]);
        if (length === 0) throw new Error(`${address} reserves no units.`);
      },
      { timeout: 20_000, interval: 10 },
    );
}

test('charges no message when a process ended while one message of each of two mailboxes was open', async () => {
  const { system, gate, ann, bob } = await twoMailboxes();
  for (const gmail of [ann, bob]) gate.hold(gmail, 'messages.get');
  const dead = system.call('pollNow');
  await gate.arrival(2);
  await expireLeases(system);
  const next = system.instance().call('pollNow');
  await gate.arrival(3);
  expect(await system.rows('select crash_count from email_ledger')).toEqual([
    { crash_count: 0 },
    { crash_count: 0 },
  ]);
  gate.release();
  await Promise.all([dead, next]);
  expect(await system.storedOf(ANN)).toEqual(['Killer']);
  expect(await system.storedOf(BOB)).toEqual(['Innocent']);
});

test('makes the message dead that ends every process, and charges none of a mailbox that always runs with it', async () => {
  const { system, gate, ann, bob, killer } = await twoMailboxes();
  const charges = await recordCharges(system);
  for (const gmail of [ann, bob]) gate.hold(gmail, 'messages.get');
  const processes = [system.call('pollNow')];
  await gate.arrival(2);
  // From now on only the killer ends its process.
  bob.faults.clear();
  for (let deaths = 1; deaths <= 3; deaths += 1) {
    await expireLeases(system);
    processes.push(system.instance().call('pollNow'));
    await gate.arrival(2 + deaths);
  }
  await expireLeases(system);
  expect((await system.instance().call('pollNow')).json).toMatchObject({ outcome: 'completed' });
  expect(await system.rows("select gmail_message_id from email_ledger where state = 'dead'")).toEqual([
    { gmail_message_id: killer },
  ]);
  expect(await charges()).toEqual([killer, killer, killer]);
  expect(await system.storedOf(BOB)).toEqual(['Innocent']);
  gate.release();
  await Promise.all(processes);
});

test('fetches one crash suspect of the process at a time, whatever the mailbox and the function, and each alone in its mailbox', async () => {
  const system = await createSystem();
  const accounts = [await system.add(ANN), await system.add(BOB)];
  await system.call('pollNow');
  for (const { gmail } of accounts) {
    for (let n = 0; n < 8; n += 1) gmail.deliver(mail(`${n}`));
    gmail.faults.add({ kind: 'status', status: 429, method: 'messages.get' });
  }
  // Entered but not fetched.
  await system.call('pollNow');
  await system.pass(3600);
  await system.rows('update email_ledger set is_crash_suspect = true');
  for (const { gmail } of accounts) {
    gmail.faults.clear();
    gmail.latencyMs = 20;
  }
  const maxOpen = await recordOpenWithSuspect(system);
  const work = Buffer.from(JSON.stringify({ mailbox: BOB })).toString('base64');
  await Promise.all([
    system.call('pollNow', { query: { mailbox: ANN } }),
    system.call('ingestMailbox', { body: { message: { data: work, attributes: { trigger: 'manual' } } } }),
  ]);
  for (const address of [ANN, BOB]) expect(await system.storedOf(address)).toHaveLength(8);
  expect(await maxOpen()).toBe(1);
});

test('a run does not wait for a suspect of another mailbox that hangs: it fetches its new messages, and leaves its suspect to a later run', async () => {
  const { system, gate, ann, bob } = await twoMailboxes();
  for (const gmail of [ann, bob]) gate.hold(gmail, 'messages.get');
  const dead = system.call('pollNow');
  await gate.arrival(2);
  await expireLeases(system);
  bob.faults.clear();
  const instance = system.instance();
  // Makes both messages suspects, and fetches that of ann.
  await system.rows('update email_ledger set is_crash_suspect = true, claim_token = null');
  const hanging = instance.call('pollNow', { query: { mailbox: ANN } });
  await gate.arrival(3);
  bob.deliver(mail('New'));
  expect((await instance.call('pollNow', { query: { mailbox: BOB } })).json).toMatchObject({
    outcome: 'completed',
    new_emails: 1,
  });
  expect(await system.storedOf(BOB)).toEqual(['New']);
  gate.release();
  await hanging;
  await instance.call('pollNow', { query: { mailbox: BOB } });
  expect((await system.storedOf(BOB)).toSorted()).toEqual(['Innocent', 'New']);
  expect(await system.storedOf(ANN)).toEqual(['Killer']);
  await dead;
});

test('a suspect that is claimed and not started is released before another mailbox claims one', async () => {
  const { system, gate, ann, bob } = await twoMailboxes();
  const first = system.gmail;
  first.deliver(mail('First'));
  for (const gmail of [ann, bob, first])
    gmail.faults.add({ kind: 'status', status: 429, method: 'messages.get' });
  // Entered but not fetched.
  await system.call('pollNow');
  for (const gmail of [ann, bob, first]) gmail.faults.clear();
  await system.pass(60);
  await system.rows('update mailbox_quota set pause_seconds = 0, paused_until = null');
  await system.rows('update email_ledger set is_crash_suspect = true');
  const maxOpen = await recordOpenWithSuspect(system);
  const run = async (address: string) => await system.call('pollNow', { query: { mailbox: address } });
  const hasReservedUnits = await recordReservations(system);
  gate.hold(ann, 'messages.get');
  const runs = [run(ANN)];
  await gate.arrival();
  runs.push(run(BOB));
  await hasReservedUnits(BOB);
  // Longer than a run fetches before it discovers live mail: bob's run does not start the suspect that it waits for.
  await system.pass(11);
  await system.rows(
    "update mailboxes set lease_expires_at = now() + interval '1 minute' where lease_token is not null",
  );
  runs.push(run(first.emailAddress));
  await hasReservedUnits(first.emailAddress);
  gate.release();
  await Promise.all(runs);
  expect(await maxOpen()).toBe(1);
});

test.each<
  [string, (on: { system: ManyMailboxes; gate: CallGate; gmails: EmulatedGmail[] }) => Promise<void>]
>([
  [
    'its time is over',
    async ({ gmails }) => {
      for (const gmail of gmails) gmail.faults.add({ kind: 'status', status: 429, method: 'messages.get' });
      await Promise.resolve();
    },
  ],
  [
    'its credentials are revoked',
    async ({ gmails }) => {
      for (const gmail of gmails) gmail.faults.add({ kind: 'status', status: 401, method: 'messages.get' });
      await Promise.resolve();
    },
  ],
  [
    'its lease is lost during a call',
    async ({ system, gate, gmails }) => {
      for (const gmail of gmails) gate.hold(gmail, 'messages.get');
      void gate.arrival().then(async () => {
        await system.rows('update mailboxes set lease_token = gen_random_uuid()');
        gate.release();
      });
      await Promise.resolve();
    },
  ],
  [
    'the database rejects its claims',
    async ({ system }) => {
      await system.rows(`
        create function reject_claim() returns trigger language plpgsql as
        $$ begin raise exception 'disk full' using errcode = '53100'; end $$`);
      await system.rows(`
        create trigger reject_claim before update on email_ledger for each row
        when (new.claim_token is not null) execute function reject_claim()`);
    },
  ],
  [
    'the database ends its connections during a call',
    async ({ system, gate, gmails }) => {
      for (const gmail of gmails) gate.hold(gmail, 'messages.get');
      void gate.arrival().then(async () => {
        await system.rows(
          'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
        );
        gate.release();
      });
      await Promise.resolve();
    },
  ],
])('the permit of crash suspects is free after runs that end because %s', async (_reason, prepare) => {
  const { system, gate, ann, bob } = await twoMailboxes();
  // Entered but not fetched.
  for (const gmail of [ann, bob]) gmail.faults.add({ kind: 'status', status: 429, method: 'messages.get' });
  await system.call('pollNow');
  for (const gmail of [ann, bob]) gmail.faults.clear();
  await system.pass(60);
  await system.rows('update mailbox_quota set pause_seconds = 0, paused_until = null');
  await system.rows('update email_ledger set is_crash_suspect = true');
  await prepare({ system, gate, gmails: [ann, bob] });
  await system.call('pollNow');
  const isFree = system.context.suspects.run(async () => await Promise.resolve(true));
  expect(await Promise.race([isFree, delay(1_000, false)])).toBe(true);
});
