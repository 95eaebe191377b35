/** Dead letters for the console, each with its error and remediation. An operator can requeue them, or give one up. */
import type { Queryable } from '../../shared/db/database.ts';
import { giveUpDeadLetters, requeueDeadLetters } from '../../shared/db/dead-letters.ts';
import { statement } from '../../shared/db/statement.ts';
import { remediationForMessage } from '../../shared/errors.ts';
import type { DeadMessage } from '../../shared/schemas/records.ts';
import { MAX_ID, type PageRequest, type ResultPage, toPage } from './pagination.ts';

// $1 ids below bigint, $2 rows int
const LIST = statement(
  `
select id, gmail_message_id, attempt_count, last_attempt_at, error_code, error_detail, discovered_at, given_up_at
from email_ledger
where state = 'dead'
  and id < $1::bigint
order by id desc
limit $2::integer`,
  {
    id: 'bigint',
    gmail_message_id: 'text',
    attempt_count: 'integer',
    last_attempt_at: 'timestamp with time zone?',
    error_code: 'text?',
    error_detail: 'text?',
    discovered_at: 'timestamp with time zone',
    given_up_at: 'timestamp with time zone?',
  },
);

// $1 ledger id bigint
const FIND = statement(
  `
select mailbox_id, gmail_message_id
from email_ledger
where id = $1::bigint`,
  { mailbox_id: 'integer', gmail_message_id: 'text' },
);

const MAILBOXES = statement(
  `
select distinct mailbox_id
from email_ledger
where state = 'dead'`,
  { mailbox_id: 'integer' },
);

/** Sorted by ledger id, the highest first. */
export async function listDeadLetters(db: Queryable, request: PageRequest): Promise<ResultPage<DeadMessage>> {
  const { rows } = await db.query(LIST, [request.beforeId ?? MAX_ID, request.limit + 1]);
  const page = toPage(rows, request.limit);
  return {
    nextBeforeId: page.nextBeforeId,
    rows: page.rows.map(({ id, ...row }) => ({
      ledger_id: id,
      ...row,
      remediation: remediationForMessage(row.error_code, true),
    })),
  };
}

/** May run twice. @returns 1; 0 when the message is not dead; null when the ledger id does not exist */
export async function requeueOne(db: Queryable, ledgerId: number): Promise<number | null> {
  return await changeOne(db, ledgerId, requeueDeadLetters);
}

/** Requeues the dead letters of all mailboxes, because the console shows them in one list. @returns how many */
export async function requeueAll(db: Queryable): Promise<number> {
  const { rows } = await db.query(MAILBOXES);
  let count = 0;
  for (const row of rows) count += await requeueDeadLetters(db, row.mailbox_id);
  return count;
}

/** May run twice. @returns 1; 0 when it is not dead or was given up before; null when the ledger id does not exist */
export async function giveUpOne(db: Queryable, ledgerId: number): Promise<number | null> {
  return await changeOne(db, ledgerId, giveUpDeadLetters);
}

async function changeOne(
  db: Queryable,
  ledgerId: number,
  change: typeof requeueDeadLetters,
): Promise<number | null> {
  const { rows } = await db.query(FIND, [ledgerId]);
  const row = rows[0];
  if (row === undefined) return null;
  return await change(db, row.mailbox_id, { gmailMessageIds: [row.gmail_message_id] });
}
