/**
 * `npm run reprocess [-- OPTIONS] [--apply]`: parses stored emails again from their raw bytes, without Gmail, and rebuilds
 * their parsed columns and attachments. Without --apply it only prints what would change.
 */
import { openLargeBytes } from '../shared/bucket/large-bytes.ts';
import { readConfig } from '../shared/config.ts';
import { type Database, openDatabase } from '../shared/db/database.ts';
import { PARSER_VERSION } from '../shared/mime/parsed-email.ts';
import { countSelected, type EmailSelection, listDefects } from '../shared/reprocess/raw-emails.ts';
import {
  type ReprocessContext,
  type ReprocessMode,
  reprocess,
} from '../shared/reprocess/reprocess-emails.ts';
import { differenceLines, ReprocessSummary } from './reprocess/format-reprocess.ts';
import { resumeOptions, selectEmails } from './reprocess/select-emails.ts';
import { runCommand } from './support/command.ts';
import { readFlags } from './support/flags.ts';
import { Progress } from './support/progress.ts';
import { shutdownSignal } from './support/shutdown-signal.ts';
import { counted, ON_A_DEPLOYMENT, say } from './support/terminal.ts';

const USAGE = `Usage: npm run reprocess [-- OPTIONS]
Parses stored emails again from their raw bytes, and prints which columns and files differ. Changes nothing without
--apply. Which emails (several options narrow the selection):
                       those that an older parser has read (the same as --older-parser)
  --id N               the email with this id; may be repeated
  --since DATE         received on this day (UTC) or later; a time is possible too: 2026-11-02T08:00:00Z
  --until DATE         received on this day or earlier
  --defect CODE        with this defect: charset_guessed, ...
  --older-parser       parsed by an older version of the parser
  --parser-version N   parsed by this version of the parser
  --all                every email
  --after N            with a greater id than this one
What to do:
  --apply              write the changes, one commit per email; Ctrl-C stops it, and it can be continued
  --reset-processed    with --apply: set processed to false for emails that change

${ON_A_DEPLOYMENT}`;

await runCommand(USAGE, async () => {
  const flags = readFlags({
    after: { type: 'string' },
    all: { type: 'boolean', default: false },
    apply: { type: 'boolean', default: false },
    defect: { type: 'string' },
    id: { type: 'string', multiple: true },
    'older-parser': { type: 'boolean', default: false },
    'parser-version': { type: 'string' },
    'reset-processed': { type: 'boolean', default: false },
    since: { type: 'string' },
    until: { type: 'string' },
  });
  const selection = selectEmails(flags);
  const mode = { applies: flags.apply, resetsProcessed: flags['reset-processed'] };
  const config = readConfig(process.env);
  const db = openDatabase({ target: config.database, poolSize: 2 });
  try {
    const total = await countSelected(db, selection);
    say(
      `${counted(total, 'email')} to parse again (parser version ${PARSER_VERSION})${mode.applies ? '.' : ', without changing any.'}`,
    );
    if (total === 0) return await explainEmptySelection(db, selection);
    const summary = new ReprocessSummary();
    const stoppedAt = await rebuild(
      { db, largeBytes: openLargeBytes(config) },
      { selection, mode, total, summary },
    );
    say(summary.format(mode));
    if (summary.failures.length > 0) process.exitCode = 1;
    const missingCount = new Set(selection.ids?.filter((id) => id > selection.afterId)).size - total;
    if (missingCount > 0) {
      process.exitCode = 1;
      say(
        `${missingCount} of the ids ${missingCount === 1 ? 'has' : 'have'} no email, or one that does not match the other options.`,
      );
    }
    if (stoppedAt !== null) {
      say(
        `Stopped after email ${stoppedAt}. ${mode.applies ? 'Rebuilt emails stay rebuilt. ' : ''}` +
          `To continue: npm run reprocess -- ${resumeOptions(process.argv.slice(2), stoppedAt)}`,
      );
      process.exitCode = 130;
    } else if (!mode.applies) say('Nothing was changed. Add --apply to write the changes.');
  } finally {
    await db.close();
  }
});

/** @returns the id of the last email before Ctrl-C; null when all are done */
async function rebuild(
  context: ReprocessContext,
  on: {
    readonly selection: EmailSelection;
    readonly mode: ReprocessMode;
    readonly total: number;
    readonly summary: ReprocessSummary;
  },
): Promise<number | null> {
  const { signal } = shutdownSignal();
  const progress = new Progress();
  try {
    for await (const reread of reprocess(context, on.selection, on.mode)) {
      on.summary.add(reread);
      if (reread.result.kind === 'changed') {
        progress.clear();
        say(differenceLines(reread.emailId, reread.result.difference));
      }
      progress.update({ done: on.summary.count, total: on.total, noun: 'emails' });
      if (signal.aborted) return reread.emailId;
    }
    return null;
  } finally {
    progress.clear();
  }
}

/** @throws {Error} when the operator named ids that do not exist */
async function explainEmptySelection(db: Database, { defect, ids }: EmailSelection): Promise<void> {
  if (ids !== null)
    throw new Error(`There is no email ${ids.join(', ')}, or it does not match the other options.`);
  if (defect === null) return;
  const known = await listDefects(db);
  say(known.length === 0 ? 'No stored email has a defect.' : `Defects of stored emails: ${known.join(', ')}`);
}
