/**
 * Fills a database as after years of operation: emails with attachments, their ledger rows, and 90 days of runs. Customers
 * and articles follow Zipf's law: the most frequent occurs twice as often as the second, ten times as often as the tenth.
 */
import { hash } from 'node:crypto';
import type { BenchDatabase } from './bench-database.ts';

/** One run per minute for the 90 days that runs are kept. */
const RUN_COUNT = 90 * 24 * 60;

const KINDS = { customer: 5_000, article: 20_000 };
type Kind = keyof typeof KINDS;
const HEX = '0123456789abcdef';
const LETTERS = 'aeioubdfgklmnrst';

/** The name of the customer or article of this rank; rank 1 is the most frequent. */
export function wordOf(kind: Kind, rank: number): string {
  const hex = hash('md5', kind + rank, 'hex').slice(0, 8);
  return hex.replace(/./g, (digit) => LETTERS.charAt(HEX.indexOf(digit)));
}

/** SQL for a pseudo-random word of email `n`, matching `wordOf`. Deterministic. */
function sampledWord(kind: Kind): string {
  const rank = `floor(power(${KINDS[kind]}, (hashint8extended(n, ${kind.length}) & 1048575) / 1048576::float8))`;
  return `translate(left(md5('${kind}' || ${rank}), 8), '${HEX}', '${LETTERS}')`;
}

// Some subjects have Japanese or accents: one email in 20 and in 50, and one in 10,000.
// `Altbestand` and `legacy` were frequent in old emails (95 % and a sixth of all) and do not occur in new ones.
function subject(emailCount: number): string {
  return `
(array['Order ', 'Bestellung ', 'Purchase order PO-', 'AW: Bestellung ', 'Commande ', 'Re: Order confirmation '])[1 + n % 6]
|| (100000 + n) || ' ' || ${sampledWord('article')} || (array['', ' - urgent', ' / Nachlieferung', ' (revised)', ' for site ' || n % 97])[1 + n % 5]
|| case when n % 20 = 7 then ' 株式会社山田への注文書送付' when n % 50 = 3 then ' für Müller' else '' end
|| case when n % 10007 = 0 then ' 見積依頼' when n % 10009 = 0 then ' Ångström' else '' end
|| case when n <= ${Math.round(emailCount * 0.95)} then ' Altbestand' else '' end
|| case when n <= ${Math.round(emailCount / 6)} then ' legacy' else '' end`;
}

/** Each subject has a few frequent words, a number, and an article. @returns the time of the inserts into emails and search */
export async function fillConsole(
  db: BenchDatabase,
  emailCount: number,
): Promise<{ readonly insertMs: number }> {
  await db.rows(`
    insert into mailboxes (email_address, cursor_history_id)
    values ('orders@example.com', 1), ('returns@example.com', 1)`);
  await db.rows(`
    insert into reconciliations (mailbox_id, window_begins_at, is_full, query, started_at, evaluated_at, missing_count)
    values (1, now() - interval '2 days', false, '', now() - interval '6 minutes', now() - interval '5 minutes', 0)`);
  const started = performance.now();
  await db.rows(`
    insert into incoming_emails
      (mailbox_id, gmail_message_id, rfc822_message_id, sender, sender_address, subject, body_text, received_at,
       size_bytes, attachment_count, parser_version, processed, defects)
    select case when n % 1009 = 0 then 2 else 1 end, to_hex(1000000000000000 + n), '<order-' || n || '@example.com>',
           initcap(customer) || ' <orders@' || customer || '.example.com>', 'orders@' || customer || '.example.com',
           ${subject(emailCount)},
           repeat('Please deliver 12 pieces of article ' || n || ' to our site. ', 15),
           now() - (${emailCount} - n) * interval '1 minute', 90000,
           case when n % 4999 = 0 or n > ${Math.round(emailCount / 4)} then 1 else 0 end, 1, n % 5003 > 0,
           case when n % 4001 = 0 then array['encrypted'] else '{}' end
    from (select n, ${sampledWord('customer')} as customer from generate_series(1, ${emailCount}) n) emails`);
  await db.rows(`
    insert into email_search (email_id, received_at, mailbox_id, search_words)
    select id, received_at, mailbox_id,
           email_search_words(sender, sender_address, subject, 'order-' || (100000 + id) || '.pdf')
    from incoming_emails
    order by id`);
  const insertMs = performance.now() - started;
  await db.rows(`
    insert into email_attachments (email_id, part_path, filename, content_type, file_data, file_size_bytes, sha256)
    select id, '2', 'order-' || (100000 + id) || '.pdf', 'application/pdf', '\\x25504446', 4, repeat('0', 64)
    from incoming_emails
    where attachment_count > 0`);
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
