/**
 * `npm run reprocess [-- --all | --id N]`: rebuilds the parsed columns and the attachments of stored emails from
 * their exact bytes, without Gmail.
 */
import { readConfig } from '../shared/config.ts';
import { type Database, openDatabase } from '../shared/db/database.ts';
import { countToReread } from '../shared/db/raw-emails.ts';
import { type Reread, reprocess, reprocessOne } from '../shared/ingest/reprocess.ts';
import { PARSER_VERSION } from '../shared/mime/parsed-email.ts';
import { runCommand } from './command.ts';
import { counted, readFlags, say, untilInterrupted } from './terminal.ts';

const USAGE = `Usage: npm run reprocess [-- OPTIONS]
             emails that an older reader has read
  --all      every email
  --id N     the email with this id
  --after N  begin behind this id`;
const PROGRESS_MS = 5_000;

type Fault = Exclude<Reread['result'], 'same' | 'changed' | 'skipped'>;

const FAULTS: Record<Fault, string> = {
  raw_missing: 'its exact bytes are missing in email_raw; it stays as it is.',
  checksum_wrong:
    'its exact bytes do not match their SHA-256; it stays as it is. Restore email_raw from a backup.',
  raw_damaged: 'its exact bytes cannot be decompressed; it stays as it is. Restore email_raw from a backup.',
  unstorable:
    'PostgreSQL refuses what the reader made of it; it stays as it is. That is a defect of this software.',
};

class Tally {
  readonly faults: { readonly emailId: number; readonly result: Fault }[] = [];
  readonly #counts = { same: 0, changed: 0, skipped: 0 };

  get seen(): number {
    return this.#counts.same + this.#counts.changed + this.#counts.skipped + this.faults.length;
  }

  add({ emailId, result }: Reread): void {
    if (result === 'same' || result === 'changed' || result === 'skipped') this.#counts[result] += 1;
    else this.faults.push({ emailId, result });
  }

  summary(): string {
    const { same, changed, skipped } = this.#counts;
    const parts = [`${counted(same + changed, 'email')} rebuilt, ${changed} of them differ from before`];
    if (skipped > 0) parts.push(`${skipped} skipped (removed, or read by a newer reader)`);
    if (this.faults.length > 0) parts.push(`${this.faults.length} not rebuilt:`);
    return parts.join('; ');
  }
}

await runCommand(async () => {
  const flags = readFlags(
    {
      after: { type: 'string' },
      all: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      id: { type: 'string' },
    },
    USAGE,
  );
  if (flags.help) return say(USAGE);
  const id = flags.id === undefined ? null : idOf(flags.id);
  const choice = {
    emails: flags.all ? 'all' : 'outdated',
    afterId: flags.after === undefined ? 0 : idOf(flags.after),
  } as const;
  const db = openDatabase({ target: readConfig(process.env).database, poolSize: 2 });
  try {
    const tally = new Tally();
    if (id !== null) tally.add(await reprocessOne(db, id));
    else await reprocessMany(db, choice, tally);
    say(tally.summary());
    if (tally.faults.length > 0) {
      say(tally.faults.map((fault) => `  email ${fault.emailId}: ${FAULTS[fault.result]}`).join('\n'));
      process.exitCode = 1;
    }
  } finally {
    await db.close();
  }
});

async function reprocessMany(
  db: Database,
  choice: { readonly emails: 'all' | 'outdated'; readonly afterId: number },
  tally: Tally,
): Promise<void> {
  const belowVersion = choice.emails === 'all' ? null : PARSER_VERSION;
  const total = await countToReread(db, { afterId: choice.afterId, belowVersion });
  say(`${counted(total, 'email')} to read again (reader version ${PARSER_VERSION}).`);
  const interruption = untilInterrupted();
  let spokenAt = performance.now();
  for await (const reread of reprocess(db, choice)) {
    tally.add(reread);
    if (interruption.aborted) {
      const again = choice.emails === 'all' ? `--all --after ${reread.emailId}` : '';
      say(`Stopped after email ${reread.emailId}. To go on: npm run reprocess${again && ` -- ${again}`}`);
      return;
    }
    if (performance.now() - spokenAt < PROGRESS_MS) continue;
    spokenAt = performance.now();
    say(`  ${tally.seen} of ${total}, at email ${reread.emailId}`);
  }
}

function idOf(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new Error(`"${text}" is no id.\n${USAGE}`);
}
