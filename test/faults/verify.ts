/**
 * Checks the central property: every delivered email is stored exactly once, byte for byte, with all attachments, unless it
 * was deleted before it could be fetched. `status` must agree. The checks use only the tables and `status`.
 */
import { gunzipSync } from 'node:zlib';
import type { Calls } from './calls.ts';
import type { Fixture, SentMail } from './fixture.ts';
import { sha256 } from './generated-mail.ts';
import { MAILBOX } from './gmail-defaults.ts';
import type { Summary } from './summary.ts';

/**
 * Checks the emails of one round, and the totals over all rounds of the fixture.
 *
 * @param log the log lines of the functions in this round
 * @returns the violations
 */
export async function verify(
  fixture: Fixture,
  calls: Calls,
  round: number,
  summary: Summary,
  log: readonly string[],
): Promise<string[]> {
  const found = [
    ...(await verifyMails(fixture, round, summary)),
    ...(await verifyTotals(fixture)),
    ...(await verifyStatus(fixture, calls)),
    ...fixture.processes.violations.splice(0),
    ...calls.violations.splice(0),
    ...unexpectedLines(log),
    ...fixture.postgres.takeDeadlocks(),
  ];
  const audit = await fixture.db.rows('delete from fault_audit returning note');
  return [...found, ...audit.map(({ note }) => String(note))];
}

interface StoredRow {
  readonly id: string;
  readonly email_id: number;
  readonly attachment_count: number;
  readonly data: Buffer;
  readonly sha256: string;
  readonly attachments: readonly string[];
}

/**
 * @param mailbox the address of the mailbox that must have the emails; null: any
 * @returns the violations
 */
export async function verifyMails(
  { db, sent }: Pick<Fixture, 'db' | 'sent'>,
  round: number,
  summary: Summary,
  mailbox: string | null = null,
): Promise<string[]> {
  const mails = [...sent.values()].filter((mail) => mail.round === round);
  const ids = mails.map((mail) => mail.gmailMessageId);
  const states = new Map<string, string>(
    (
      await db.rows(
        `select l.gmail_message_id as id, l.state
         from email_ledger l
         join mailboxes m on m.id = l.mailbox_id
         where l.gmail_message_id = any ($1::text[]) and ($2::text is null or m.email_address = $2::text)`,
        [ids, mailbox],
      )
    ).map(({ id, state }) => [id, state]),
  );
  const stored: StoredRow[] = await db.rows(
    `select e.gmail_message_id as id, e.attachment_count, r.data, r.sha256,
            array(select encode(sha256(a.file_data), 'hex') from email_attachments a where a.email_id = e.id order by 1)
              as attachments
     from incoming_emails e
     join mailboxes m on m.id = e.mailbox_id
     left join email_raw r on r.email_id = e.id
     where e.gmail_message_id = any ($1::text[]) and ($2::text is null or m.email_address = $2::text)`,
    [ids, mailbox],
  );
  const violations: string[] = [];
  for (const mail of mails) {
    const rows = stored.filter(({ id }) => id === mail.gmailMessageId);
    const state = states.get(mail.gmailMessageId) ?? 'unknown';
    const name = `mail ${mail.index} (${mail.gmailMessageId}, ${mail.arrival}, ${mail.changes.join('+') || 'unchanged'})`;
    if (!allowedStates(mail).includes(state)) {
      violations.push(`${name} is ${state}, not ${allowedStates(mail).join(' or ')}`);
      if (isIncoming(mail)) summary.lost += 1;
    }
    if ((state === 'stored') !== rows.length > 0)
      violations.push(`${name} is ${state} with ${rows.length} emails`);
    if (rows.length > 1) summary.duplicated += rows.length - 1;
    if (rows.length > 1) violations.push(`${name} is stored ${rows.length} times`);
    for (const row of rows) violations.push(...differences(name, mail, row));
    summary.stored += rows.length;
    if (state === 'gone') summary.gone += 1;
    if (state === 'ignored') summary.ignored += 1;
  }
  return violations;
}

function isIncoming({ arrival, changes }: SentMail): boolean {
  return arrival === 'inbox' || arrival === 'filed' || arrival === 'read' || changes.includes('rescue');
}

function allowedStates(mail: SentMail): string[] {
  const isDeleted = mail.changes.includes('delete');
  if (!isIncoming(mail)) return ['ignored', ...(mail.mayBeUnseen ? ['unknown'] : [])];
  const mayBeUnseen = mail.mayBeUnseen && (isDeleted || mail.changes.includes('report-spam'));
  return ['stored', ...(isDeleted ? ['gone'] : []), ...(mayBeUnseen ? ['unknown'] : [])];
}

function differences(name: string, mail: SentMail, row: StoredRow): string[] {
  const found: string[] = [];
  if (row.data === null) return [`${name} has no raw bytes`];
  const raw = sha256(gunzipSync(row.data));
  if (raw !== mail.sha256) found.push(`${name} has different bytes than were sent`);
  if (raw !== row.sha256) found.push(`${name} has a wrong sha256`);
  if (row.attachments.join() !== mail.attachments.join()) {
    found.push(`${name} has attachments ${row.attachments.join(' ')}, not ${mail.attachments.join(' ')}`);
  }
  if (row.attachment_count !== mail.attachments.length) {
    found.push(`${name} has attachment_count ${row.attachment_count} instead of ${mail.attachments.length}`);
  }
  return found;
}

async function verifyTotals({ address, db, pushProxy, gmail, sent }: Fixture): Promise<string[]> {
  const [row] = await db.rows(
    `select (select count(*)::integer from incoming_emails) as emails,
            (select count(*)::integer from email_raw) as raws,
            (select count(*)::integer from email_queue where consumer = 'faults' and state = 'waiting') as queued,
            (select emails_processed_total from email_monitor_status) as total,
            (select count(*)::integer from email_ledger where state = 'stored') as stored,
            (select count(*)::integer from email_ledger where state = 'dead') as dead,
            (select count(*)::integer from email_ledger where state = 'pending' or claim_token is not null or is_crash_suspect)
              as open,
            (select count(*)::integer from mailboxes where lease_token is not null or lease_expires_at is not null)
              as leases,
            (select count(*)::integer from incidents where kind = 'missing_found') as found_missing,
            (select array_agg(gmail_message_id) from email_ledger) as ids,
            (select cursor_history_id::text from mailboxes) as cursor,
            (select coalesce(hint_history_id, 0)::text from mailboxes) as hint,
            (select count(*)::integer from mailboxes) as mailboxes,
            (select email_address from mailboxes order by id limit 1) as address`,
  );
  const { historyId } = await gmail.control<{ historyId: string }>('stats');
  // A push for an address that is not in the database yet is acknowledged without storing a hint.
  const acknowledged = address === MAILBOX ? (pushProxy.acknowledged.get(MAILBOX) ?? 0n) : 0n;
  const violations: string[] = [];
  const expect = (isCorrect: boolean, text: string) => isCorrect || violations.push(text);
  expect(row.mailboxes === 1, `there are ${row.mailboxes} mailboxes`);
  expect(row.address === address, `the mailbox has the address ${row.address}, the account ${address}`);
  expect(
    row.total === row.emails,
    `emails_processed_total is ${row.total}, but ${row.emails} emails are stored`,
  );
  expect(row.raws === row.emails, `${row.emails} emails have ${row.raws} raw messages`);
  expect(row.queued === row.emails, `${row.queued} of ${row.emails} emails are queued for the consumer`);
  expect(
    row.stored === row.emails,
    `the ledger has ${row.stored} stored messages, but there are ${row.emails} emails`,
  );
  expect(row.dead === 0, `${row.dead} messages are dead`);
  expect(row.open === 0, `${row.open} messages are pending or have an unfinished attempt`);
  expect(row.leases === 0, 'a lease is still held');
  expect(row.found_missing === 0, 'a reconciliation found messages that history and listings had missed');
  expect(
    BigInt(row.cursor) <= BigInt(historyId),
    `the cursor ${row.cursor} is ahead of Gmail's ${historyId}`,
  );
  expect(
    BigInt(row.hint) >= acknowledged,
    `push ${acknowledged} was acknowledged, but the hint is ${row.hint}`,
  );
  const unknown = (row.ids ?? []).filter((id: string) => !sent.has(id));
  expect(unknown.length === 0, `the ledger has ids that were never delivered: ${unknown.join(' ')}`);
  return violations;
}

async function verifyStatus(fixture: Fixture, calls: Calls): Promise<string[]> {
  const answer = await calls.call('status');
  if (answer?.status !== 200) return [`status responds with ${answer?.status}`];
  const { json } = answer;
  const [row] = await fixture.db.rows('select count(*)::integer as emails from incoming_emails');
  const violations: string[] = [];
  const expect = (isCorrect: boolean, text: string) => isCorrect || violations.push(`status: ${text}`);
  const [mailbox] = json.mailboxes;
  expect(json.state === 'watching', `state ${json.state}`);
  expect(json.is_running === true, 'is_running is not true');
  expect(json.last_error === null, `last_error ${json.last_error}`);
  expect(json.emails_processed_total === row.emails, `emails_processed_total ${json.emails_processed_total}`);
  expect(json.mailboxes.length === 1, `${json.mailboxes.length} mailboxes`);
  expect(mailbox?.failure_count === 0, `failure_count ${mailbox?.failure_count}`);
  expect(mailbox?.lease_holder === null, `lease_holder ${mailbox?.lease_holder}`);
  expect(mailbox?.ledger.pending === 0 && mailbox?.ledger.dead === 0, JSON.stringify(mailbox?.ledger));
  expect(mailbox?.ledger.stored === row.emails, `ledger.stored ${mailbox?.ledger.stored}`);
  expect(mailbox?.watch?.error === null, `watch ${JSON.stringify(mailbox?.watch)}`);
  expect(
    mailbox?.incidents.every((one: { closed_at: unknown }) => one.closed_at !== null),
    'open incidents',
  );
  expect(json.scheduler?.agrees === true, `scheduler ${JSON.stringify(json.scheduler)}`);
  expect(json.advice.length === 0, `advice ${JSON.stringify(json.advice)}`);
  return violations;
}

/** Unexpected errors (`internal`), and output that is not a log line, such as a stack trace on stderr. */
export function unexpectedLines(lines: readonly string[]): string[] {
  return lines.filter((line) => {
    const json = line.slice(line.indexOf(': ') + 2);
    if (json === '' || /^(Serving function|Function:|Signature type:|Received )/.test(json)) return false;
    return !json.startsWith('{') || json.includes('"error_code":"internal"');
  });
}
