/**
 * `npm run reprocess [-- OPTIONS] [--apply]`: rebuilds the parsed columns and the attachments of stored emails from
 * their exact bytes, without Gmail. Without --apply it only says what would change.
 */
import { readConfig } from '../shared/config.ts';
import { type Database, openDatabase } from '../shared/db/database.ts';
import { PARSER_VERSION } from '../shared/mime/parsed-email.ts';
import { countToReread, listDefects, type RereadChoice } from '../shared/reprocess/raw-emails.ts';
import { type RereadMode, reprocess } from '../shared/reprocess/reprocess.ts';
import { differenceLines, Tally } from './reprocess/format-reprocess.ts';
import { choiceOf, goOnOptions } from './reprocess/select-emails.ts';
import { runCommand } from './support/command.ts';
import { Progress } from './support/progress.ts';
import { counted, ON_A_DEPLOYMENT, readFlags, say, untilInterrupted } from './support/terminal.ts';

const USAGE = `Usage: npm run reprocess [-- OPTIONS]
Reads stored emails again from their exact bytes, and says which columns and files come out differently. Changes
nothing without --apply. Which emails (all that is asked for must hold):
                       those that an older reader has read (the same as --older-parser)
  --id N               the email with this id; may be given several times
  --since DATE         received on this day (UTC) or later; a time is taken too: 2026-11-02T08:00:00Z
  --until DATE         received on this day or before
  --defect CODE        with this defect: charset_guessed, ...
  --older-parser       read by an older reader than the present one
  --parser-version N   read by this version of the reader
  --all                every email
  --after N            begin behind this id
And then:
  --apply              do it; each email in one commit, so it may be ended by Ctrl-C and started again
  --reset-processed    what differs counts as not processed again (without it, processed is not touched)

${ON_A_DEPLOYMENT}`;

await runCommand(USAGE, async () => {
  const flags = readFlags(
    {
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
    },
    USAGE,
  );
  const choice = choiceOf(flags);
  const mode = { applies: flags.apply, resetsProcessed: flags['reset-processed'] };
  const db = openDatabase({ target: readConfig(process.env).database, poolSize: 2 });
  try {
    const total = await countToReread(db, choice);
    say(
      `${counted(total, 'email')} to read again (reader version ${PARSER_VERSION})${mode.applies ? '.' : ', without changing any.'}`,
    );
    if (total === 0) return await assertNothing(db, choice);
    const tally = new Tally();
    const stoppedAt = await rebuild(db, { choice, mode, total, tally });
    say(tally.summary(mode));
    if (tally.faults.length > 0) process.exitCode = 1;
    if (stoppedAt !== null) {
      say(
        `Stopped after email ${stoppedAt}; ${mode.applies ? 'what is done stays done. ' : ''}` +
          `To go on: npm run reprocess -- ${goOnOptions(process.argv.slice(2), stoppedAt)}`,
      );
      process.exitCode = 130;
    } else if (!mode.applies) say('Nothing is changed yet: the same with --apply does it.');
  } finally {
    await db.close();
  }
});

/** @returns the last email that was read when Ctrl-C ended it; null at the end */
async function rebuild(
  db: Database,
  on: {
    readonly choice: RereadChoice;
    readonly mode: RereadMode;
    readonly total: number;
    readonly tally: Tally;
  },
): Promise<number | null> {
  const interruption = untilInterrupted();
  const progress = new Progress();
  try {
    for await (const reread of reprocess(db, on.choice, on.mode)) {
      on.tally.add(reread);
      if (reread.result.kind === 'changed') {
        progress.clear();
        say(differenceLines(reread.emailId, reread.result.difference));
      }
      progress.update({ done: on.tally.seen, total: on.total, noun: 'emails' });
      if (interruption.aborted) return reread.emailId;
    }
    return null;
  } finally {
    progress.clear();
  }
}

/** Nothing was found: an error where something was named that is not there. */
async function assertNothing(db: Database, choice: RereadChoice): Promise<void> {
  if (choice.ids !== null)
    throw new Error(`There is no email ${choice.ids.join(', ')}, or not all of the options hold for it.`);
  if (choice.defect === null) return;
  const known = await listDefects(db);
  say(
    known.length === 0
      ? 'No stored email has a defect.'
      : `Defects that stored emails have: ${known.join(', ')}`,
  );
}
