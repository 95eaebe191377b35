/** `npm run bench -- memory`: one 35 MB message (25 MB attachment) among small ones: peak memory of the function's process. */
import { buildFunctions, startFunction, startGmailProcess } from '../helpers/processes.ts';
import { startBenchDatabase } from './bench-database.ts';
import { mailWithAttachment } from './bench-mail.ts';

export async function memory(): Promise<void> {
  const dist = buildFunctions();
  for (const [name, large] of [
    ['small only', 0],
    ['one of 35 MB', 1],
    ['three of 35 MB', 3],
  ] as const) {
    const db = await startBenchDatabase();
    const gmail = await startGmailProcess({ quotaUnitsPerMinute: null });
    for (let n = 0; n < 40; n += 1) {
      await gmail.control('deliver', { raw: mailWithAttachment(n, 200_000).toString('base64') });
      if (n < large)
        await gmail.control('deliver', { raw: mailWithAttachment(1000 + n, 35_000_000).toString('base64') });
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
    const [row] = await db.rows('select max(file_size_bytes)::int as largest from email_attachments');
    process.stdout.write(
      `${name}: ${json.new_emails} stored, largest attachment ${(row.largest / 1e6).toFixed(1)} MB, ` +
        `peak ${(poll.peakMemoryBytes() / 1_048_576).toFixed(0)} MiB\n`,
    );
    await poll.kill();
    await gmail.kill();
    await db.close();
  }
}
