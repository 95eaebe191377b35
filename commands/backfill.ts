/**
 * `npm run backfill -- --query "after:2026/01/01"`: fetches older mail by any Gmail query. What it plans stands in the
 * database: the deployed poll goes on with it whenever this command ends.
 */
import { createContext } from '../functions/context.ts';
import { findMailbox, type Mailbox } from '../shared/db/mailboxes.ts';
import { readMonitorStatus } from '../shared/db/monitor-status.ts';
import { AppError } from '../shared/errors.ts';
import { assertQuery, type BackfillCycle, isWorkedOff, plan, workOff } from '../shared/ingest/backfill.ts';
import type { System } from '../shared/ingest/run.ts';
import { createSystem } from '../shared/ingest/system.ts';
import { assertConfigured } from '../shared/monitor/switch.ts';
import { runCommand } from './command.ts';
import { interruptibleTime } from './interruptible-time.ts';
import { counted, readFlags, say, untilInterrupted } from './terminal.ts';

const USAGE = `Usage: npm run backfill -- --query QUERY [--plan-only]
  --query QUERY  as in Gmail's search box: after:2026/01/01, from:alice@example.com, in:anywhere, ...
  --plan-only    only plan it; the deployed poll works it off`;

await runCommand(async () => {
  const flags = readFlags(
    {
      help: { type: 'boolean', default: false },
      'plan-only': { type: 'boolean', default: false },
      query: { type: 'string' },
    },
    USAGE,
  );
  if (flags.help) return say(USAGE);
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
      `${Math.floor(system.config.quotaUnitsPerMinute / 20)} messages a minute; live mail goes first.`,
  );
  return id;
}

async function work(
  system: System,
  on: {
    readonly mailbox: Mailbox;
    readonly listingId: number;
    readonly budgetMs: number;
    readonly interruption: AbortSignal;
  },
): Promise<void> {
  let count = 0;
  let storedCount = 0;
  let deadCount = 0;
  for await (const cycle of workOff(system, on.mailbox, on.listingId, on.budgetMs)) {
    count += 1;
    storedCount += cycle.report.counts.stored;
    deadCount += cycle.report.counts.dead;
    say(`  cycle ${count}: ${line(cycle)}`);
    if (isWorkedOff(cycle)) finish(cycle, { storedCount, deadCount });
    else if (on.interruption.aborted) {
      say(`Stopped, and nothing is lost. ${await whoGoesOn(system)} Or run the same command again.`);
      process.exitCode = 130;
      return;
    }
  }
}

function line({ report, listing, backlog }: BackfillCycle): string {
  const { counts, error, outcome } = report;
  const said =
    outcome === 'busy'
      ? 'another instance is at work on the mailbox'
      : `${counts.stored} stored${counts.ignored > 0 ? `, ${counts.ignored} ignored` : ''}` +
        `${counts.gone > 0 ? `, ${counts.gone} gone` : ''}${counts.failed > 0 ? `, ${counts.failed} failed` : ''}` +
        `${error === null ? '' : `, then: ${error.title} (${error.message})`}`;
  return `${said}; ${listing.listedCount} found, ${listing.newCount} of them new, ${backlog.dueCount} to fetch`;
}

/** Exit code 1 unless all of it is stored: whoever looks at nothing else must not take it for done. */
function finish({ listing, backlog }: BackfillCycle, sum: { storedCount: number; deadCount: number }): void {
  if (listing.refusal !== null) throw new Error(`Gmail refused it. ${listing.refusal}`);
  say(
    `Done: ${counted(listing.listedCount, 'message')} found, ${listing.newCount} of them new; ` +
      `${counted(sum.storedCount, 'email')} stored by this command.`,
  );
  if (backlog.waitingCount > 0)
    say(`${counted(backlog.waitingCount, 'message')} failed for now: the poll tries again by itself.`);
  if (sum.deadCount > 0)
    say(`${counted(sum.deadCount, 'message')} failed every time: POST poll-now?retry=dead tries again.`);
  if (backlog.waitingCount + sum.deadCount > 0) process.exitCode = 1;
}

async function whoGoesOn({ db }: System): Promise<string> {
  return (await readMonitorStatus(db)).isRunning
    ? 'The deployed poll goes on with it by itself.'
    : 'The monitor is stopped: after POST start its poll goes on with it by itself.';
}
