/**
 * A database as years of orders leave it: emails with files, their ledger, and ninety days of runs. Customers and
 * articles come as names and words do: the first of them twice as often as the second, ten times as often as the tenth.
 */
import { hash } from 'node:crypto';
import type { BenchDatabase } from './bench-database.ts';

/** Days of runs that are kept, one a minute. */
const RUN_COUNT = 90 * 24 * 60;

const KINDS = { customer: 5_000, article: 20_000 };
type Kind = keyof typeof KINDS;
const HEX = '0123456789abcdef';
const LETTERS = 'aeioubdfgklmnrst';

/** The name of the customer or article of this place, 1 being the most frequent. */
export function wordOf(kind: Kind, place: number): string {
  const hex = hash('md5', kind + place, 'hex').slice(0, 8);
  return hex.replace(/./g, (digit) => LETTERS.charAt(HEX.indexOf(digit)));
}

/** The word of email `n` as `wordOf` has it, by chance and always the same. */
function drawn(kind: Kind): string {
  const place = `floor(power(${KINDS[kind]}, (hashint8extended(n, ${kind.length}) & 1048575) / 1048576::float8))`;
  return `translate(left(md5('${kind}' || ${place}), 8), '${HEX}', '${LETTERS}')`;
}

// Frequent once and never since: most of what is stored has the one, a sixth the other, and no new email either.
function subject(emailCount: number): string {
  return `
(array['Order ', 'Bestellung ', 'Purchase order PO-', 'AW: Bestellung ', 'Commande ', 'Re: Order confirmation '])[1 + n % 6]
|| (100000 + n) || ' ' || ${drawn('article')} || (array['', ' - urgent', ' / Nachlieferung', ' (revised)', ' for site ' || n % 97])[1 + n % 5]
|| case when n <= ${Math.round(emailCount * 0.95)} then ' Altbestand' else '' end
|| case when n <= ${Math.round(emailCount / 6)} then ' legacy' else '' end`;
}

/** The subjects share some frequent words, and have a number and an article each. */
export async function fillConsole(
  db: BenchDatabase,
  emailCount: number,
): Promise<{ readonly insertMs: number }> {
  await db.rows(`insert into mailboxes (email_address, cursor_history_id) values ('orders@example.com', 1)`);
  await db.rows(`
    insert into reconciliations (mailbox_id, window_begins_at, is_full, query, started_at, evaluated_at, missing_count)
    values (1, now() - interval '2 days', false, '', now() - interval '6 minutes', now() - interval '5 minutes', 0)`);
  const started = performance.now();
  await db.rows(`
    insert into incoming_emails
      (mailbox_id, gmail_message_id, sender, sender_address, subject, body_text, received_at, size_bytes,
       attachment_count, parser_version, processed)
    select 1, to_hex(1000000000000000 + n),
           initcap(customer) || ' <orders@' || customer || '.example.com>', 'orders@' || customer || '.example.com',
           ${subject(emailCount)},
           repeat('Please deliver 12 pieces of article ' || n || ' to our site. ', 15),
           now() - (${emailCount} - n) * interval '1 minute', 90000, 1, 1, n % 10 > 0
    from (select n, ${drawn('customer')} as customer from generate_series(1, ${emailCount}) n) emails`);
  await db.rows(`
    insert into email_search (email_id, search_words)
    select id, email_search_words(sender, sender_address, subject, 'order-' || (100000 + id) || '.pdf')
    from incoming_emails
    order by id`);
  const insertMs = performance.now() - started;
  await db.rows(`
    insert into email_attachments (email_id, part_path, filename, content_type, file_data, file_size_bytes, sha256)
    select id, '2', 'order-' || (100000 + id) || '.pdf', 'application/pdf', '\\x25504446', 4, repeat('0', 64) from incoming_emails`);
  await db.rows(`
    insert into email_ledger (mailbox_id, gmail_message_id, source, state, ignored_rule)
    select 1, to_hex(1000000000000000 + n), 'history',
           case when n <= ${emailCount} then 'stored' when n % 500 = 0 then 'dead' else 'ignored' end,
           case when n > ${emailCount} and n % 500 > 0 then 'sent' end
    from generate_series(1, ${Math.round(emailCount * 1.2)}) n`);
  await db.rows(`
    insert into ingest_runs (mailbox_id, trigger, outcome, started_at, finished_at, duration_ms, stored_count,
                             quota_units, arrival_to_stored_max_ms)
    select 1, 'schedule', 'completed', at, at + interval '1 second', 1000, n % 3, 40,
           case when n % 3 > 0 then 2000 + n % 5000 end
    from (select n, now() - (${RUN_COUNT} - n) * interval '1 minute' as at from generate_series(1, ${RUN_COUNT}) n) t`);
  await db.rows('vacuum analyze');
  return { insertMs };
}
