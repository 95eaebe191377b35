/** `npm run bench -- units`: quota units per email, compared with a poller that fetches each attachment separately. */
import { mailWithAttachments } from './bench-mail.ts';
import { type BenchSystem, type GmailStats, inSystem, NO_QUOTA } from './bench-system.ts';
import { startIngest } from './ingest-run.ts';
import { pollNaively } from './naive-poller.ts';
import type { Section } from './results.ts';

const EMAILS = 1_000;
const MAIL_BYTES = 10_000;

export async function units(): Promise<Section> {
  const monitor = await inSystem({ quotaUnitsPerMinute: null }, async (system) => {
    await fill(system);
    const ingest = await startIngest({ ...system.env, ...NO_QUOTA }, { inFlight: null, trigger: 'schedule' });
    const { counts } = await ingest.run();
    await ingest.close();
    return (await spent(system)) / counts.stored;
  });
  const naive = await inSystem({ quotaUnitsPerMinute: null }, async (system) => {
    await fill(system);
    return await pollNaively(system.gmail, system.db.url).then(
      async (count) => (await spent(system)) / count,
    );
  });
  return {
    name: 'units',
    title: 'Quota units per email',
    how: `${EMAILS} emails with 0 to 3 attachments, including the first start. The emulated Gmail counts the units.`,
    results: [
      {
        what: 'Email Monitor',
        goal: 'at most 20.2',
        reached: monitor.toFixed(3),
        isMet: monitor <= 20.2,
      },
      { what: 'naive poller with a call per attachment', goal: null, reached: naive.toFixed(3) },
    ],
  };
}

async function fill(system: BenchSystem): Promise<void> {
  await system.deliver(EMAILS, (n) => mailWithAttachments(n, n % 4, MAIL_BYTES));
}

async function spent({ gmail }: BenchSystem): Promise<number> {
  return (await gmail.control<GmailStats>('stats')).units.spent;
}
