/**
 * Checks the central property for each mailbox: every email that was delivered to it is stored in it exactly once, byte for
 * byte, and nothing else is. Then `status`, the pauses and the control functions.
 */
import type { Calls } from '../calls.ts';
import { PlanBuilder } from '../plan-builder.ts';
import { pushBody } from '../push-body.ts';
import { RandomChoices } from '../random-choices.ts';
import type { Summary } from '../summary.ts';
import { unexpectedLines, verifyMails } from '../verify.ts';
import type { FaultMailbox, ManyFixture } from './many-fixture.ts';
import { drain, letTimePass } from './wait-until-all-idle.ts';

/** @returns the violations by mailbox, and those of the deployment under null */
export async function verifyMany(
  fixture: ManyFixture,
  calls: Calls,
  round: number,
  summaries: readonly Summary[],
  log: readonly string[],
): Promise<{ readonly mailbox: number | null; readonly text: string }[]> {
  const found: { mailbox: number | null; text: string }[] = [];
  for (const mailbox of fixture.mailboxes) {
    const summary = summaries[mailbox.number];
    if (summary === undefined) continue;
    const texts = [
      ...(await verifyMails(mailbox, round, summary, mailbox.address)),
      ...(await verifyTotals(fixture, mailbox)),
    ];
    found.push(
      ...texts.map((text) => ({ mailbox: mailbox.number, text: `mailbox ${mailbox.number}: ${text}` })),
    );
  }
  const audit = await fixture.db.rows('delete from fault_audit returning note');
  const texts = [
    ...(await verifyDeployment(fixture)),
    ...(await verifyStatus(fixture, calls)),
    ...fixture.processes.violations.splice(0),
    ...calls.violations.splice(0),
    ...unexpectedLines(log),
    ...fixture.postgres.takeDeadlocks(),
    ...audit.map(({ note }) => String(note)),
  ];
  found.push(...texts.map((text) => ({ mailbox: null, text })));
  return found;
}

async function verifyTotals({ db, pushProxy }: ManyFixture, mailbox: FaultMailbox): Promise<string[]> {
  const { address, gmail, sent } = mailbox;
  const [row] = await db.rows(
    `select m.cursor_history_id::text as cursor, coalesce(m.hint_history_id, 0)::text as hint,
            (m.lease_token is not null or m.lease_expires_at is not null) as is_leased,
            (select count(*)::integer from incoming_emails e where e.mailbox_id = m.id) as emails,
            (select count(*)::integer from incoming_emails e join email_raw r on r.email_id = e.id where e.mailbox_id = m.id)
              as raws,
            (select count(*)::integer from email_ledger l where l.mailbox_id = m.id and l.state = 'stored') as stored,
            (select count(*)::integer from email_ledger l
             where l.mailbox_id = m.id
               and (l.state in ('pending', 'dead') or l.claim_token is not null or l.is_crash_suspect)) as open,
            (select count(*)::integer from incidents i where i.mailbox_id = m.id and i.kind = 'missing_found')
              as found_missing,
            (select array_agg(gmail_message_id) from email_ledger l where l.mailbox_id = m.id) as ids
     from mailboxes m
     where m.email_address = $1::text`,
    [address],
  );
  if (row === undefined) return ['the database does not know it'];
  const { historyId } = await gmail.control<{ historyId: string }>('stats');
  const acknowledged = pushProxy.acknowledged.get(address) ?? 0n;
  const known = BigInt(row.hint) > 0n;
  return failed([
    [row.raws === row.emails, `${row.emails} emails have ${row.raws} raw messages`],
    [row.stored === row.emails, `the ledger has ${row.stored} stored messages, but ${row.emails} emails`],
    [row.open === 0, `${row.open} messages are pending, dead or have an unfinished attempt`],
    [!row.is_leased, 'a lease is still held'],
    [row.found_missing === 0, 'a reconciliation found messages that history and listings had missed'],
    [BigInt(row.cursor) <= BigInt(historyId), `the cursor ${row.cursor} is ahead of Gmail's ${historyId}`],
    // A push for an address that is not in the database yet is acknowledged without storing a hint.
    [
      !known || BigInt(row.hint) >= acknowledged,
      `push ${acknowledged} was acknowledged, but the hint is ${row.hint}`,
    ],
    ...(row.ids ?? []).map((id: string): Check => [sent.has(id), `it has ${id}, which it never received`]),
  ]);
}

async function verifyDeployment({ db, mailboxes }: ManyFixture): Promise<string[]> {
  const [row] = await db.rows(
    `select (select count(*)::integer from incoming_emails) as emails,
            (select count(*)::integer from email_queue where consumer = 'faults' and state = 'waiting') as queued,
            (select emails_processed_total from email_monitor_status) as total,
            (select count(*)::integer from mailboxes) as mailboxes,
            (select array_agg(email_address) from mailbox_settings
             where mailbox_id is null or last_error_code is not null or is_paused) as unsettled`,
  );
  return failed([
    [
      row.mailboxes === mailboxes.length,
      `there are ${row.mailboxes} mailboxes instead of ${mailboxes.length}`,
    ],
    [row.total === row.emails, `emails_processed_total is ${row.total}, but ${row.emails} emails are stored`],
    [row.queued === row.emails, `${row.queued} of ${row.emails} emails are queued for the consumer`],
    [row.unsettled === null, `settings without a working mailbox: ${row.unsettled}`],
  ]);
}

async function verifyStatus(fixture: ManyFixture, calls: Calls): Promise<string[]> {
  const answer = await calls.call('status');
  if (answer?.status !== 200) return [`status responds with ${answer?.status}`];
  const { json } = answer;
  const [row] = await fixture.db.rows('select count(*)::integer as emails from incoming_emails');
  const addresses = fixture.mailboxes.map(({ address }) => address).sort();
  const listed = json.mailboxes.map((one: { email_address: string }) => one.email_address).sort();
  return failed([
    [json.state === 'watching', `state ${json.state}`],
    [json.is_running === true, 'is_running is not true'],
    [json.last_error === null, `last_error ${json.last_error}`],
    [json.emails_processed_total === row.emails, `emails_processed_total ${json.emails_processed_total}`],
    [json.scheduler?.agrees === true, `scheduler ${JSON.stringify(json.scheduler)}`],
    [json.advice.length === 0, `advice ${JSON.stringify(json.advice)}`],
    [listed.join() === addresses.join(), `mailboxes ${listed.join(' ')}`],
    ...json.mailboxes.map((one: Record<string, unknown>): Check => {
      const { failure_count: failures, last_error: error, lease_holder: holder, state } = one;
      const isFine = state === 'watching' && failures === 0 && error === null && holder === null;
      return [isFine, `mailbox ${JSON.stringify({ address: one['email_address'], state, failures, error })}`];
    }),
  ]).map((text) => `status: ${text}`);
}

/**
 * Call this when the system is idle. Pauses the mailbox, delivers an email to it, polls and pushes: the push must be recorded
 * and acknowledged, and nothing fetched. Then resumes it: the email must be stored.
 *
 * @returns the violations
 */
export async function verifyPause(
  fixture: ManyFixture,
  calls: Calls,
  mailbox: FaultMailbox,
): Promise<string[]> {
  const { db } = fixture;
  const { address, gmail, sent } = mailbox;
  const [settings] = await db.rows(
    'update mailbox_settings set is_paused = true where email_address = $1::text returning id',
    [address],
  );
  // The first mailbox has no settings before it was paused.
  if (settings === undefined) return [];
  const mail = new PlanBuilder(new RandomChoices(sent.size, address), false, 0).prepare('paused', 0, 'inbox');
  sent.set(mail.gmailMessageId, { ...mail, round: -1, mayBeUnseen: false });
  const raw = mail.raw.toString('base64');
  const { historyId } = await gmail.control<{ historyId: string }>('deliver', {
    raw,
    id: mail.gmailMessageId,
  });
  const push = await calls.call('gmailPush', pushBody('current', address, historyId));
  await letTimePass(fixture);
  await calls.call('poll');
  await drain(fixture);
  const whilePaused = await read();
  await db.rows('update mailbox_settings set is_paused = false where id = $1::integer', [settings.id]);
  for (let tries = 0; tries < 5 && (await read()).emails === 0; tries += 1) {
    await letTimePass(fixture);
    await calls.call('poll');
    await drain(fixture);
  }
  const resumed = await read();
  return failed([
    [push?.status === 204, `a push for the paused mailbox is answered ${push?.status}`],
    [whilePaused.emails === 0, 'an email was stored while the mailbox was paused'],
    [BigInt(whilePaused.hint) >= BigInt(historyId), 'the push of the paused mailbox was not recorded'],
    [resumed.emails === 1, `after the pause the email is stored ${resumed.emails} times`],
  ]);

  async function read() {
    const [row] = await db.rows(
      `select coalesce(m.hint_history_id, 0)::text as hint,
              (select count(*)::integer from incoming_emails e
               where e.mailbox_id = m.id and e.gmail_message_id = $2::text) as emails
       from mailboxes m
       where m.email_address = $1::text`,
      [address, mail.gmailMessageId],
    );
    return row;
  }
}

/**
 * Call this after the faults have ended. Calls one verb on its own, which must make flag and job agree even if earlier
 * calls failed.
 *
 * @returns the violations
 */
export async function verifyManyControl(
  { db, scheduler }: ManyFixture,
  calls: Calls,
  verb: 'start' | 'stop',
): Promise<string[]> {
  await calls.whenControlIdle();
  const read = async () => (await db.rows('select is_running from email_monitor_status'))[0]?.is_running;
  const before = await read();
  const didAgree = calls.failedControlCount > 0 || before === scheduler.isEnabled;
  const answer = await calls.call(verb);
  const flag = await read();
  return failed([
    [didAgree, `all start and stop calls succeeded, but is_running is ${before}, unlike the scheduler job`],
    [answer?.status === 200, `${verb} responds with ${answer?.status} after the faults`],
    [
      flag === (verb === 'start') && scheduler.isEnabled === flag,
      `after a single ${verb}, is_running is ${flag} and the job is enabled: ${scheduler.isEnabled}`,
    ],
  ]);
}

/** Checks that every cursor reaches Gmail's current history id after the settle time. @returns the violations */
export async function verifyCursorsCatchUp(fixture: ManyFixture, calls: Calls): Promise<string[]> {
  let behind: string[] = [];
  for (let tries = 0; tries < 5; tries += 1) {
    await fixture.db.rows(`update mailboxes set unconfirmed_at = unconfirmed_at - interval '1 hour'`);
    await letTimePass(fixture);
    await calls.call('poll');
    await drain(fixture);
    behind = [];
    for (const { address, gmail } of fixture.mailboxes) {
      const [row] = await fixture.db.rows(
        'select cursor_history_id::text as cursor from mailboxes where email_address = $1::text',
        [address],
      );
      const { historyId } = await gmail.control<{ historyId: string }>('stats');
      if (row?.cursor !== historyId) behind.push(`${address}: ${row?.cursor} of ${historyId}`);
    }
    if (behind.length === 0) return [];
  }
  return behind.map((text) => `The cursor does not catch up: ${text}`);
}

type Check = readonly [isCorrect: boolean, text: string];

function failed(checks: readonly Check[]): string[] {
  return checks.filter(([isCorrect]) => !isCorrect).map(([, text]) => text);
}
