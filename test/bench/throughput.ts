/**
 * `npm run bench -- throughput`: 500 emails of 40 KB with one attachment, 50 ms a Gmail call, no quota; five runs,
 * each on a fresh database, one `poll` each.
 */
import { buildFunctions, startFunction, startGmailProcess } from '../helpers/processes.ts';
import { median, startBenchDatabase } from './bench-database.ts';
import { mailWithAttachment } from './bench-mail.ts';

const EMAILS = 500;
const RUNS = 5;

export async function throughput(): Promise<void> {
  const dist = buildFunctions();
  const rates: number[] = [];
  for (let run = 1; run <= RUNS; run += 1) {
    const db = await startBenchDatabase();
    const gmail = await startGmailProcess({ quotaUnitsPerMinute: null, latencyMs: 50 });
    for (let n = 0; n < EMAILS; n += 1) {
      await gmail.control('deliver', { raw: mailWithAttachment(n, 40_000).toString('base64') });
    }
    const poll = await startFunction(
      'pollNow',
      {
        ...gmail.env,
        DATABASE_URL: db.url,
        GMAIL_QUOTA_UNITS_PER_MINUTE: '1200000',
      },
      dist,
    );
    const started = performance.now();
    const { json } = await poll.post();
    const seconds = (performance.now() - started) / 1_000;
    const [row] = await db.rows(
      'select count(*)::int as n, sum(attachment_count)::int as files from incoming_emails',
    );
    rates.push(row.n / seconds);
    process.stdout.write(
      `run ${run}: ${row.n} emails, ${row.files} attachments, ${seconds.toFixed(2)} s, ` +
        `${(row.n / seconds).toFixed(0)} a second, ${(json.quota_units / row.n).toFixed(3)} units each\n`,
    );
    await poll.kill();
    await gmail.kill();
    await db.close();
  }
  process.stdout.write(`median ${median(rates).toFixed(0)} emails a second\n`);
}
