/**
 * `npm run backfill -- --query "after:2026/01/01"`: fetches older mail by any Gmail query. What it plans stands in the
 * database: the deployed poll goes on with it whenever this command ends.
 */
import { createContext } from '../functions/context.ts';
import { readFigures, readOutcome } from '../shared/db/backfill-progress.ts';
import { findMailbox, type Mailbox } from '../shared/db/mailboxes.ts';
import { readMonitorStatus } from '../shared/db/monitor-status.ts';
import { AppError } from '../shared/errors.ts';
import { UNITS } from '../shared/gmail/prices.ts';
import { assertQuery, type BackfillCycle, isWorkedOff, plan, workOff } from '../shared/ingest/backfill.ts';
import type { System } from '../shared/ingest/run.ts';
import { createSystem } from '../shared/ingest/system.ts';
import { assertConfigured } from '../shared/control/running-flag.ts';
import { BackfillCount, outcomeLines } from './backfill-lines.ts';
import { runCommand } from './command.ts';
import { interruptibleTime } from './interruptible-time.ts';
import { Progress } from './progress.ts';
import { counted, ON_A_DEPLOYMENT, readFlags, say, untilInterrupted } from './terminal.ts';

const USAGE = `Usage: npm run backfill -- --query QUERY [--plan-only]
  --query QUERY  as in Gmail's search box: after:2026/01/01, from:alice@example.com, in:anywhere, ...
  --plan-only    only plan it; the deployed poll works it off
May be ended by Ctrl-C and started again: what is found and stored stays, and live mail goes first all the time.
Needs the database and the Gmail credentials of the deployment (in the environment or .env).

${ON_A_DEPLOYMENT}`;
/** Between two looks at how far it is. */
const LOOK_MS = 1_000;

await runCommand(USAGE, async () => {
  const flags = readFlags(
    {
      'plan-only': { type: 'boolean', default: false },
      query: { type: 'string' },
    },
    USAGE,
  );
  const query = flags.query?.trim();
  if (!query) throw new Error(USAGE);

  const env = { LOG_FORMAT: 'text', ...process.env, LOG_LEVEL: process.env['LOG_LEVEL'] || 'error' };
  const context = createContext(env, (line) => process.stderr.write(`${line}\n`));
  try {
    assertConfigured(context.config);
    const budgetMs = context.config.runBudgetSeconds * 1_000;
    const interruption = untilInterrupted();
    const system = createSystem({ ...context, seams: interruptibleTime(interruption, budgetMs) });
    const mailbox = await knownMailbox(system);
    const listingId = await planned(system, mailbox, query).catch((error: unknown) => {
      if (!interruption.aborted) throw error;
      return null;
    });
    if (listingId === null) {
      say('Stopped before anything was planned.');
      process.exitCode = 130;
      return;
    }
    if (flags['plan-only']) return say(`Planned. ${await whoGoesOn(system)}`);
    await work(system, { mailbox, listingId, budgetMs, interruption });
  } finally {
    await context.db.close();
  }
});

async function knownMailbox({ db, credentialFingerprint }: System): Promise<Mailbox> {
  const mailbox = await findMailbox(db, credentialFingerprint ?? '');
  if (mailbox !== null) return mailbox;
  throw new Error(
    'No mailbox is known to these credentials yet: the first cycle pins where its history begins, and must come first.\n' +
      'POST start, or POST poll-now once; then call again. (Is DATABASE_URL the database of the deployment?)',
  );
}

async function planned(system: System, mailbox: Mailbox, query: string): Promise<number> {
  if (system.gmail === null) throw new AppError('not_configured', 'No credentials.');
  await assertQuery(system, system.gmail, mailbox, query).catch((error: unknown) => {
    if (!(error instanceof AppError && error.code === 'gmail_refused')) throw error;
    throw new Error(
      `Gmail does not take the query "${query}" (${error.message.replace(/\.$/, '')}). Nothing is planned. ` +
        'Try it in the search box of Gmail first: https://support.google.com/mail/answer/7190',
    );
  });
  const { id, isNew } = await plan(system, mailbox, query);
  const { labelId } = system.config;
  say(
    `Backfill of ${mailbox.emailAddress}: ${query}${labelId === null ? '' : `, only the label ${labelId}`} ` +
      `(listing ${id}, ${isNew ? 'new' : 'goes on where it was'}). At most ` +
      `${mostPerMinute(system)} messages a minute; live mail goes first.`,
  );
  const { pendingCount } = await readFigures(system.db, mailbox.id, id);
  if (pendingCount > 0)
    say(`${counted(pendingCount, 'message')} found before and not fetched yet: they come along.`);
  return id;
}

function mostPerMinute({ config }: System): number {
  return Math.floor(config.quotaUnitsPerMinute / UNITS['users.messages.get']);
}

interface Work {
  readonly mailbox: Mailbox;
  readonly listingId: number;
  readonly budgetMs: number;
  readonly interruption: AbortSignal;
}

async function work(system: System, on: Work): Promise<void> {
  const progress = new Progress();
  const count = new BackfillCount(
    await readFigures(system.db, on.mailbox.id, on.listingId),
    mostPerMinute(system),
  );
  const look = async () => {
    progress.update(count.note(await readFigures(system.db, on.mailbox.id, on.listingId)));
  };
  // A look that fails says nothing: the cycle meets the same database, and says it.
  const looking = every(LOOK_MS, async () => await look().catch(() => undefined));
  let trouble = '';
  let last: BackfillCycle | null = null;
  try {
    for await (const cycle of workOff(system, on.mailbox, on.listingId, on.budgetMs, on.interruption)) {
      await look();
      const said = isWorkedOff(cycle) ? '' : troubleOf(cycle);
      if (said !== trouble && said !== '') {
        progress.clear();
        say(`  ${said}`);
      }
      trouble = said;
      last = cycle;
    }
  } finally {
    await looking.stop();
    progress.clear();
  }
  await (last !== null && isWorkedOff(last) ? finish(system, on, last) : stop(system, on));
}

/** Why the cycle did less than it could. */
function troubleOf({ report: { error, outcome } }: BackfillCycle): string {
  if (outcome === 'busy') return 'Another instance is at work on the mailbox, and on this with it.';
  return error === null ? '' : `A cycle failed, and the next one goes on: ${error.title} (${error.message})`;
}

async function stop(system: System, on: Work): Promise<void> {
  await sayOutcome(system, on, false);
  say(`Stopped, and nothing is lost. ${await whoGoesOn(system)} Or run the same command again.`);
  process.exitCode = 130;
}

/** Exit code 1 unless all of it is stored: whoever looks at nothing else must not take it for done. */
async function finish(system: System, on: Work, { listing, backlog }: BackfillCycle): Promise<void> {
  if (listing.refusal !== null) throw new Error(`Gmail refused it. ${listing.refusal}`);
  const { deadCount } = await sayOutcome(system, on, true);
  if (backlog.waitingCount > 0)
    say(`  ${counted(backlog.waitingCount, 'message')} failed for now: the poll tries again by itself.`);
  if (backlog.waitingCount + deadCount > 0) process.exitCode = 1;
}

async function sayOutcome({ db }: System, on: Work, done: boolean) {
  const outcome = await readOutcome(db, on.mailbox.id, on.listingId);
  say(outcomeLines(done, await readFigures(db, on.mailbox.id, on.listingId), outcome));
  return outcome;
}

/** One at a time; `stop` waits for the last one, so that nothing asks a database that is closed. */
function every(ms: number, step: () => Promise<void>): { stop(): Promise<void> } {
  let running = Promise.resolve();
  let isRunning = false;
  const timer = setInterval(() => {
    if (isRunning) return;
    isRunning = true;
    running = step().finally(() => {
      isRunning = false;
    });
  }, ms);
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}

async function whoGoesOn({ db }: System): Promise<string> {
  return (await readMonitorStatus(db)).isRunning
    ? 'The deployed poll goes on with it by itself.'
    : 'The monitor is stopped: after POST start its poll goes on with it by itself.';
}
