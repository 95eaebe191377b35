/**
 * The database privileges of each deployed function and of the consumers: one account per part, with only what it needs.
 * `grants.ts` grants them, and the doctor checks them.
 */
import type { AccountPart, DatabaseAccount } from '../../db-accounts.ts';

export interface Privileges {
  /** By table or view. A privilege may name columns: `update (processed)`. */
  readonly tables: Readonly<Record<string, string>>;
  /** May be executed, as `name(argument types)`. Only functions that not every account may execute. */
  readonly functions: readonly string[];
}

/** The tables that `status` reads; none holds mail. Every function checks `schema_migrations` first. */
const STATE = {
  bucket_objects: 'select',
  consumers: 'select',
  email_ledger: 'select',
  email_monitor_status: 'select',
  email_outbox: 'select',
  email_queue: 'select',
  incidents: 'select',
  ingest_runs: 'select',
  ledger_changes: 'select',
  list_jobs: 'select',
  mailbox_confirmations: 'select',
  mailbox_quota: 'select',
  mailbox_settings: 'select',
  mailbox_watches: 'select',
  mailboxes: 'select',
  reconciliations: 'select',
  retention_progress: 'select',
  schema_migrations: 'select',
};

/** `start` and `stop`: the `is_running` flag, the watch, the label, and a mailbox that the database does not know yet. */
const CONTROL = {
  ...STATE,
  // When the label changed, `start` makes messages pending that the former label excluded.
  email_ledger: 'select, update',
  email_monitor_status: 'select, update',
  list_jobs: 'select, insert, update',
  mailbox_confirmations: 'select, insert, update, delete',
  mailbox_quota: 'select, insert, update',
  // Follows renames, and records errors. Only operators add and remove mailboxes.
  mailbox_settings: 'select, update',
  mailbox_watches: 'select, insert, update',
  mailboxes: 'select, insert, update',
};

/**
 * A run inserts emails and never changes them. It deletes only old rows, the outbox rows of published emails, and the ids of
 * evaluated reconciliations. Triggers queue its emails with the privileges of their owner.
 */
const INGEST = {
  ...CONTROL,
  bucket_objects: 'select, insert, delete',
  email_attachments: 'select, insert',
  email_ledger: 'select, insert, update',
  email_outbox: 'select, insert, delete',
  email_raw: 'select, insert',
  email_search: 'select, insert',
  incidents: 'select, insert, update, delete',
  incoming_emails: 'select, insert',
  ingest_runs: 'select, insert, update, delete',
  ledger_changes: 'select, insert, update, delete',
  list_jobs: 'select, insert, update, delete',
  reconciliation_ids: 'select, insert, update, delete',
  reconciliations: 'select, insert, update, delete',
};

/** For `status`, which `start` and `stop` answer too. It runs with the privileges of its owner. */
const STATUS_FUNCTIONS = ['retention_status(integer)'];

/** A consumer reads parsed emails. It reaches the queue and the results only through the functions, which check its name. */
const CONSUMER = {
  email_attachments: 'select',
  emails_for_processing: 'select',
  incoming_emails: 'select',
  mailboxes: 'select (id, email_address)',
};

/** They run with the privileges of their owner. */
export const QUEUE_FUNCTIONS = [
  'claim_emails(text, text, integer, interval)',
  'complete_email(text, text, integer, jsonb)',
  'extend_claim(text, text, integer, interval)',
  'fail_email(text, text, integer, text, interval)',
  'release_email(text, text, integer)',
  'requeue_email(text, integer)',
];

/** The columns that `replace-parsed.ts` updates. A file with other bytes is deleted and inserted. */
const PARSED_OF_EMAIL =
  'attachment_count, auto_submitted, body_html, body_text, defects, delivered_to, in_reply_to, list_id, ' +
  'parser_version, plain_text, processed, recipients, rfc822_message_id, sender, sender_address, sent_at, ' +
  'subject, updated_at';
const PARSED_OF_FILE = 'content_id, content_type, detected_content_type, is_inline, parent_part_path';

export const PRIVILEGES: Readonly<Record<AccountPart, Privileges>> = {
  // Deletes old records of who read which email, and emails only through the function, which checks that they are completed.
  ingest: {
    tables: { ...INGEST, email_accesses: 'select, delete' },
    functions: ['erase_expired_emails(integer, integer)'],
  },
  control: { tables: CONTROL, functions: STATUS_FUNCTIONS },
  // Adds records of who read which email, and can neither change nor delete them. Shows who completed an email, but not the
  // result. It is the account of no consumer, so it may requeue for each. It parses an email again: it may change what the parser
  // returns, but neither the raw bytes nor which message it is.
  console: {
    tables: {
      ...INGEST,
      email_accesses: 'select, insert',
      email_attachments: `select, insert, delete, update (${PARSED_OF_FILE})`,
      email_results: 'select (completed_at, consumer, email_id, worker)',
      email_search: 'select, insert, update (search_words)',
      incoming_emails: `select, insert, update (${PARSED_OF_EMAIL})`,
      mailbox_settings: 'select, insert, update, delete',
    },
    functions: ['lock_unclaimed_email(integer)', 'requeue_email(text, integer)', ...STATUS_FUNCTIONS],
  },
  status: { tables: STATE, functions: STATUS_FUNCTIONS },
  // Signs URLs for the bytes of attachments, and reads neither bytes nor emails.
  attachment_url: {
    tables: {
      email_attachments:
        'select (bucket_object, content_type, detected_content_type, file_size_bytes, filename, id, sha256)',
      schema_migrations: 'select',
    },
    functions: [],
  },
  consumer: { tables: CONSUMER, functions: [...QUEUE_FUNCTIONS, 'attachment_data(integer)'] },
};

/** `processed` is the queue of this consumer: a change of it queues or completes the email there. */
const OWNER_OF_PROCESSED = 'extraction';

export function privilegesOf(account: DatabaseAccount): Privileges {
  const privileges = PRIVILEGES[account.part];
  if (account.part !== 'consumer' || account.consumer !== OWNER_OF_PROCESSED) return privileges;
  return {
    ...privileges,
    tables: { ...privileges.tables, incoming_emails: 'select, update (processed)' },
  };
}
