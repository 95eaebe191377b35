/**
 * `npm run bench -- quota`: 890 emails under 6,000 units a minute, one poll after another until all are stored.
 * How much of the budget is used, and how often Gmail refuses.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { buildFunctions, startFunction, startGmailProcess } from '../helpers/processes.ts';
import { startBenchDatabase } from './bench-database.ts';
import { mailWithAttachment } from './bench-mail.ts';

/** Three minutes' worth, nearly. */
const EMAILS = 890;
const UNITS_PER_MINUTE = 6_000;

interface Stats {
  readonly units: { readonly spent: number; readonly refusedForUnits: number };
}

export async function quota(): Promise<void> {
  const dist = buildFunctions();
  const db = await startBenchDatabase();
  const gmail = await startGmailProcess({ quotaUnitsPerMinute: UNITS_PER_MINUTE, latencyMs: 50 });
  for (let n = 0; n < EMAILS; n += 1) {
    await gmail.control('deliver', { raw: mailWithAttachment(n, 40_000).toString('base64') });
  }
  const poll = await startFunction('pollNow', { ...gmail.env, DATABASE_URL: db.url }, dist);
  const started = performance.now();
  let stored = 0;
  while (stored < EMAILS) {
    const { json } = await poll.post();
    stored += json.new_emails;
    // A run that finds the minute spent ends at once; the scheduler comes again later.
    if (json.new_emails === 0) {
      await delay(1_000);
      continue;
    }
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    process.stdout.write(`${seconds} s: ${json.outcome}, ${stored} stored\n`);
  }
  const minutes = (performance.now() - started) / 60_000;
  const stats = await gmail.control<Stats>('stats');
  // The budget of a minute is there at its beginning: three beginnings in two minutes.
  const budget = UNITS_PER_MINUTE * (1 + Math.floor(minutes));
  process.stdout.write(
    `${stored} emails in ${(minutes * 60).toFixed(1)} s, ${stats.units.spent} units, ` +
      `${stats.units.refusedForUnits} refusals, ${((stats.units.spent / budget) * 100).toFixed(1)} % of the budget\n`,
  );
  await poll.kill();
  await gmail.kill();
  await db.close();
}
