/**
 * `npm run bench -- gap`: 1,000 emails arrive while no run takes place, then the history expires. Prints how they are
 * recovered, the incident, and the quota units.
 */
import { buildFunctions, startFunction, startGmailProcess } from '../helpers/child-processes.ts';
import { startBenchDatabase } from './bench-database.ts';
import { mailWithAttachment } from './bench-mail.ts';

const EMAILS = 1_000;

interface Stats {
  readonly units: { readonly spent: number; readonly spentByMethod: Readonly<Record<string, number>> };
}

export async function gap(): Promise<void> {
  const dist = buildFunctions();
  const db = await startBenchDatabase();
  const gmail = await startGmailProcess({ quotaUnitsPerMinute: null });
  const env = { ...gmail.env, DATABASE_URL: db.url, GMAIL_QUOTA_UNITS_PER_MINUTE: '1200000' };
  const poll = await startFunction('pollNow', env, dist);
  await poll.post();
  for (let n = 0; n < EMAILS; n += 1) {
    await gmail.control('deliver', { raw: mailWithAttachment(n, 10_000).toString('base64') });
  }
  await gmail.control('expire-history', {});
  await gmail.control('reset-counters', {});
  const started = performance.now();
  let stored = 0;
  let runs = 0;
  while (stored < EMAILS && runs < 20) {
    stored += (await poll.post()).json.new_emails;
    runs += 1;
  }
  const seconds = (performance.now() - started) / 1_000;
  const { units } = await gmail.control<Stats>('stats');
  const [row] = await db.rows(
    'select count(*)::int as n, count(distinct sha256)::int as different from email_raw',
  );
  const incidents = await db.rows('select kind, opened_at, closed_at, detail from incidents');
  process.stdout.write(
    `${row.n} of ${EMAILS} stored (${row.different} different) in ${runs} runs, ${seconds.toFixed(1)} s, ` +
      `${units.spent} units ${JSON.stringify(units.spentByMethod)}\n${JSON.stringify(incidents, null, 2)}\n`,
  );
  await poll.kill();
  await gmail.kill();
  await db.close();
}
