/**
 * The frame of a command that makes runs on its own, as the functions do. Ctrl-C ends its run in order, and log lines go to
 * standard error, errors only unless LOG_LEVEL is set.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createAppContext } from '../../shared/control/app-context.ts';
import { assertConfigured } from '../../shared/control/running-flag.ts';
import type { IngestContext, TestOverrides } from '../../shared/ingest/ingest-context.ts';
import { MailboxContexts } from '../../shared/ingest/mailbox-contexts.ts';
import { shutdownSignal } from './shutdown-signal.ts';

export interface IngestCommand {
  /** Of the first mailbox. */
  readonly app: IngestContext;
  /** Also of added mailboxes. */
  readonly contexts: MailboxContexts;
  /** Of one run. */
  readonly budgetMs: number;
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal;
}

/** @throws {AppError} not_configured when Gmail is needed and its credentials are not set */
export async function withIngest(
  { needsGmail }: { readonly needsGmail: boolean },
  work: (command: IngestCommand) => Promise<void>,
): Promise<void> {
  const env = { LOG_FORMAT: 'text', ...process.env, LOG_LEVEL: process.env['LOG_LEVEL'] || 'error' };
  const context = createAppContext(env, (line) => process.stderr.write(`${line}\n`));
  try {
    if (needsGmail) assertConfigured(context.config);
    const { signal } = shutdownSignal();
    const budgetMs = context.config.runBudgetSeconds * 1_000;
    const contexts = new MailboxContexts({ ...context, overrides: abortableClock(signal, budgetMs) });
    await work({ app: contexts.first, contexts, budgetMs, signal });
  } finally {
    await context.db.close();
  }
}

/**
 * Clock and sleep of a run that ends in order when the signal aborts: its budget is then used up, and no sleep lasts.
 *
 * @param budgetMs of one run: the clock jumps ahead by this much
 */
function abortableClock(
  signal: AbortSignal,
  budgetMs: number,
): Required<Pick<TestOverrides, 'clock' | 'sleep'>> {
  return {
    clock: () => performance.now() + (signal.aborted ? budgetMs : 0),
    sleep: async (ms) => {
      await delay(ms, undefined, { signal }).catch(() => undefined);
    },
  };
}
