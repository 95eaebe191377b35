/**
 * `npm run bench -- kills`: a backlog of 400 emails, during which the function is killed with SIGKILL at ten random times.
 * Every email must be stored once, byte for byte.
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { buildFunctions, startFunction, startGmailProcess } from '../helpers/child-processes.ts';
import { type BenchDatabase, startBenchDatabase } from './bench-database.ts';
import { mailWithAttachment } from './bench-mail.ts';

const EMAILS = 400;
const KILLS = 10;

export async function kills(): Promise<void> {
  const dist = buildFunctions();
  const db = await startBenchDatabase();
  const gmail = await startGmailProcess({ quotaUnitsPerMinute: null, latencyMs: 50 });
  const sent = new Set<string>();
  for (let n = 0; n < EMAILS; n += 1) {
    const raw = mailWithAttachment(n, 40_000);
    sent.add(createHash('sha256').update(raw).digest('hex'));
    await gmail.control('deliver', { raw: raw.toString('base64') });
  }
  let killed = 0;
  while (killed < KILLS) {
    const before = await storedCount(db);
    const poll = await startFunction(
      'pollNow',
      {
        ...gmail.env,
        DATABASE_URL: db.url,
        GMAIL_QUOTA_UNITS_PER_MINUTE: '1200000',
      },
      dist,
    );
    const ended = poll.post().then(
      () => true,
      () => false,
    );
    // Wait until it stores emails, because killing a process that is still loading tests nothing.
    while ((await storedCount(db)) === before) await delay(10);
    await delay(Math.random() * 400);
    await poll.kill();
    if (!(await ended)) killed += 1;
    process.stdout.write(`kill ${killed}: ${await storedCount(db)} stored\n`);
    // Expire the lease of the killed process instead of waiting for its expiry.
    await db.rows(`update mailboxes set lease_expires_at = now() - interval '1 second'`);
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
  const { json } = await poll.post();
  const stored = await db.rows('select sha256, count(*)::int as n from email_raw group by 1');
  const duplicates = stored.filter((row) => row.n > 1).length;
  const lost = [...sent].filter((hash) => !stored.some((row) => row.sha256 === hash)).length;
  const ledger = await db.rows(
    'select state, count(*)::int as n, max(attempt_count) as attempts from email_ledger group by 1',
  );
  process.stdout.write(
    `${KILLS} kills, then ${json.outcome}: sent ${sent.size}, stored ${stored.length}, lost ${lost}, duplicated ${duplicates}\n` +
      `ledger ${JSON.stringify(ledger)}\n`,
  );
  await poll.kill();
  await gmail.kill();
  await db.close();
}

async function storedCount(db: BenchDatabase): Promise<number> {
  const [row] = await db.rows('select count(*)::int as n from incoming_emails');
  return row.n;
}
