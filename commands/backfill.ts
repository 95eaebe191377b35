/**
 * `npm run backfill -- --query "after:2026/01/01"`: fetches older mail by any Gmail query. The plan is in the database: the
 * deployed poll continues it whenever this command ends.
 */
import { createAppContext } from '../shared/control/app-context.ts';
import { assertConfigured } from '../shared/control/running-flag.ts';
import { planBackfill, readBackfillOutcome, readBackfillProgress } from '../shared/db/backfills.ts';
import { findMailbox, type Mailbox } from '../shared/db/mailboxes.ts';
import { readMonitorStatus } from '../shared/db/monitor-status.ts';
import { AppError } from '../shared/errors.ts';
import { QUOTA_COSTS } from '../shared/gmail/quota-costs.ts';
import { createIngestContext, type IngestContext } from '../shared/ingest/ingest-context.ts';
import { assertQuery, type BackfillRun, isDone, runUntilDone } from '../shared/ingest/run-backfill.ts';
import { BackfillSummary, outcomeLines } from './backfill/format-backfill.ts';
import { runCommand } from './support/command.ts';
import { interruptibleTime } from './support/interruptible-time.ts';
import { Progress } from './support/progress.ts';
import { counted, ON_A_DEPLOYMENT, readFlags, say, untilInterrupted } from './support/terminal.ts';

const USAGE = `Usage: npm run backfill -- --query QUERY [--plan-only]
  --query QUERY  as in Gmail's search box: after:2026/01/01, from:alice@example.com, in:anywhere, ...
  --plan-only    only plan it; the deployed poll works on it
May be ended by Ctrl-C and started again: what is found and stored stays, and live mail always goes first.
Needs the database and the Gmail credentials of the deployment (in the environment or .env).

${ON_A_DEPLOYMENT}`;
const REFRESH_MS = 1_000;

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
  const context = createAppContext(env, (line) => process.stderr.write(`${line}\n`));
  try {
    assertConfigured(context.config);
    const budgetMs = context.config.runBudgetSeconds * 1_000;
    const interruption = untilInterrupted();
    const app = createIngestContext({ ...context, overrides: interruptibleTime(interruption, budgetMs) });
    const mailbox = await knownMailbox(app);
    const jobId = await planned(app, mailbox, query).catch((error: unknown) => {
      if (!interruption.aborted) throw error;
      return null;
    });
    if (jobId === null) {
      say('Stopped before anything was planned.');
      process.exitCode = 130;
      return;
    }
    if (flags['plan-only']) return say(`Planned. ${await whoContinues(app)}`);
    await work(app, { jobId, budgetMs, interruption });
  } finally {
    await context.db.close();
  }
});

async function knownMailbox({ db, credentialFingerprint }: IngestContext): Promise<Mailbox> {
  const mailbox = await findMailbox(db, credentialFingerprint ?? '');
  if (mailbox !== null) return mailbox;
  throw new Error(
    'No mailbox is known to these credentials yet: the first run pins where its history begins, and must come first.\n' +
      'POST start, or POST poll-now once; then call again. (Is DATABASE_URL the database of the deployment?)',
  );
}

async function planned(app: IngestContext, mailbox: Mailbox, query: string): Promise<number> {
  await assertQuery(app, mailbox.id, query).catch((error: unknown) => {
    if (!(error instanceof AppError && error.code === 'gmail_refused')) throw error;
    throw new Error(
      `Gmail does not take the query "${query}" (${error.message.replace(/\.$/, '')}). Nothing is planned. ` +
        'Try it in the search box of Gmail first: https://support.google.com/mail/answer/7190',
    );
  });
  const { id, isNew } = await planBackfill(app.db, mailbox.id, query);
  const { labelId } = app.config;
  say(
    `Backfill of ${mailbox.emailAddress}: ${query}${labelId === null ? '' : `, only the label ${labelId}`} ` +
      `(list job ${id}, ${isNew ? 'new' : 'continued'}). At most ${mostPerMinute(app)} messages per minute; ` +
      'live mail goes first.',
  );
  const { dueCount, waitingCount } = await readBackfillProgress(app.db, id);
  if (dueCount + waitingCount > 0)
    say(`${counted(dueCount + waitingCount, 'message')} found before and not fetched yet: they come along.`);
  return id;
}

function mostPerMinute({ config }: IngestContext): number {
  return Math.floor(config.quotaUnitsPerMinute / QUOTA_COSTS['users.messages.get']);
}

interface Work {
  readonly jobId: number;
  readonly budgetMs: number;
  readonly interruption: AbortSignal;
}

async function work(app: IngestContext, on: Work): Promise<void> {
  const line = new Progress();
  const summary = new BackfillSummary(await readBackfillProgress(app.db, on.jobId), mostPerMinute(app));
  const refresh = async () => {
    line.update(summary.update(await readBackfillProgress(app.db, on.jobId)));
  };
  // An error here is ignored: the run meets the same database and reports it.
  const refreshing = every(REFRESH_MS, async () => await refresh().catch(() => undefined));
  let shown = '';
  let last: BackfillRun | null = null;
  try {
    for await (const run of runUntilDone(app, on.jobId, on.budgetMs, on.interruption)) {
      await refresh();
      const reason = isDone(run) ? '' : whyItWaits(run);
      if (reason !== shown && reason !== '') {
        line.clear();
        say(`  ${reason}`);
      }
      shown = reason;
      last = run;
    }
  } finally {
    await refreshing.stop();
    line.clear();
  }
  await (last !== null && isDone(last) ? finish(app, on, last) : stop(app, on));
}

/** Why the run did less than it could. */
function whyItWaits({ report: { error, outcome } }: BackfillRun): string {
  if (outcome === 'busy') return 'Another instance is at work on the mailbox, and on this with it.';
  return error === null ? '' : `A run failed, and the next one continues: ${error.title} (${error.message})`;
}

async function stop(app: IngestContext, on: Work): Promise<void> {
  await sayOutcome(app, on, false);
  say(`Stopped, and nothing is lost. ${await whoContinues(app)} Or run the same command again.`);
  process.exitCode = 130;
}

/** Exit code 1 unless everything is stored: a script that reads only the code must not take it for done. */
async function finish(app: IngestContext, on: Work, { progress }: BackfillRun): Promise<void> {
  if (progress.rejection !== null) throw new Error(`Gmail rejected it. ${progress.rejection}`);
  const { deadCount } = await sayOutcome(app, on, true);
  if (progress.waitingCount > 0)
    say(`  ${counted(progress.waitingCount, 'message')} failed for now: the poll tries again by itself.`);
  if (progress.waitingCount + deadCount > 0) process.exitCode = 1;
}

async function sayOutcome({ db }: IngestContext, { jobId }: Work, done: boolean) {
  const outcome = await readBackfillOutcome(db, jobId);
  say(outcomeLines(done, await readBackfillProgress(db, jobId), outcome));
  return outcome;
}

/** One at a time; `stop` waits for the last one, so that none queries a closed database. */
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

async function whoContinues({ db }: IngestContext): Promise<string> {
  return (await readMonitorStatus(db)).isRunning
    ? 'The deployed poll continues it by itself.'
    : 'The monitor is stopped: after POST start its poll continues it by itself.';
}
