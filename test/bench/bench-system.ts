/** A database and an emulated Gmail for one measurement. Both are closed even if the measurement fails. */
import { type GmailProcess, startGmailProcess } from '../helpers/child-processes.ts';
import { type BenchDatabase, startBenchDatabase } from './bench-database.ts';
import { mailWithAttachment } from './bench-mail.ts';

/** Far above what any benchmark without a quota uses. */
export const NO_QUOTA = { GMAIL_QUOTA_UNITS_PER_MINUTE: '1200000' };

export interface BenchSystem {
  readonly db: BenchDatabase;
  readonly gmail: GmailProcess;
  /** Environment variables with which a function connects to both. */
  readonly env: Record<string, string>;
  /** Delivers emails, four at a time. Deliveries are not part of any measurement. */
  deliver(count: number, mail?: (n: number) => Buffer): Promise<void>;
}

export interface GmailStats {
  readonly units: { readonly spent: number; readonly refusedForUnits: number };
}

const DEFAULT_MAIL_BYTES = 40_000;

/** @param settings server settings of PostgreSQL as `name=value` */
export async function inSystem<T>(
  options: object,
  work: (system: BenchSystem) => Promise<T>,
  settings: readonly string[] = [],
): Promise<T> {
  const db = await startBenchDatabase(settings);
  const gmail = await startGmailProcess(options);
  try {
    await db.rows('update email_monitor_status set is_running = true');
    return await work({
      db,
      gmail,
      env: { ...gmail.env, DATABASE_URL: db.url },
      deliver: async (count, mail = (n) => mailWithAttachment(n, DEFAULT_MAIL_BYTES)) => {
        let next = 0;
        const deliverer = async (): Promise<void> => {
          for (let n = next++; n < count; n = next++)
            await gmail.control('deliver', { raw: mail(n).toString('base64') });
        };
        await Promise.all([deliverer(), deliverer(), deliverer(), deliverer()]);
      },
    });
  } finally {
    await gmail.kill();
    await db.close();
  }
}
