/** All checks of the configured system. They run in an order in which an earlier failure explains the later ones. */
import { LOCAL_STACK_DOWN, type LocalStackState } from '../../local/local-env.ts';
import { ConfigError, type Environment } from '../../shared/config.ts';
import { type AppContext, createAppContext } from '../../shared/control/app-context.ts';
import { createMonitor, type Monitor } from '../../shared/control/monitor.ts';
import { readStatus } from '../../shared/control/status/status-response.ts';
import { credentialFingerprint } from '../../shared/credentials.ts';
import { findMailbox } from '../../shared/db/mailboxes.ts';
import type { MailboxStatus } from '../../shared/schemas/mailbox-status.ts';
import type { Status } from '../../shared/schemas/status.ts';
import { checkBucket } from './bucket-check.ts';
import { attempt, type CheckResult, fail, ok, skip } from './check-result.ts';
import { checkClocks } from './clock-check.ts';
import { checkCursor } from './cursor-check.ts';
import { checkDatabase } from './database-checks.ts';
import { checkGmail } from './gmail-checks.ts';
import { accessOfFirst, checkAddedMailboxes, checkOneMailbox } from './mailbox-checks.ts';
import {
  checkCycles,
  checkListings,
  checkMailboxes,
  checkScheduler,
  firstMailbox,
} from './monitor-checks.ts';
import { checkConfiguredPubSub } from './pubsub-access.ts';
import { checkLastPush, checkWatch, readNewestLiveAt } from './push-checks.ts';
import { checkQuota } from './quota-check.ts';

/**
 * Changes nothing, in the database or anywhere else. A probe is written to the bucket and deleted.
 *
 * @param localStack of the environment; `none`: the environment is not that of the local stack
 * @param mailbox the address of the only mailbox to check; null: everything else, for the first mailbox
 */
export async function* runChecks(
  env: Environment,
  { localStack, mailbox = null }: { readonly localStack: LocalStackState; readonly mailbox?: string | null },
): AsyncGenerator<CheckResult> {
  yield ok('node', process.version);
  const context = contextOf(env);
  if (context instanceof ConfigError) {
    for (const problem of context.errors) yield fail('environment', problem, configRemediation(problem));
    yield skip('the_rest', 'not checked: it needs the configuration');
    return;
  }
  yield ok('environment', 'valid');
  try {
    const database = await checkDatabase(context.db, context.config, localStack);
    yield* database;
    if (localStack !== 'stopped')
      return yield* mailbox === null
        ? checkSystem(context, env, database)
        : checkMailbox(context, mailbox, database);
    // The database may still answer. The emulated Gmail and the emulated Cloud Scheduler do not.
    if (database.every((result) => result.state !== 'fail'))
      yield fail('local_stack', 'is not running; only its database answers', LOCAL_STACK_DOWN);
    yield skip('the_rest', 'not checked: the local stack does not answer');
  } finally {
    await context.db.close();
  }
}

function configRemediation(problem: string): string {
  const remediation = '.env.example explains each variable; set it in .env or in the environment.';
  return problem.startsWith('DATABASE_URL is missing')
    ? `${remediation} For the local stack, run \`npm start\`, which configures itself.`
    : remediation;
}

async function* checkSystem(
  context: AppContext,
  env: Environment,
  database: readonly CheckResult[],
): AsyncGenerator<CheckResult> {
  const { config, db } = context;
  const answers = database[0]?.state === 'ok';
  const isReadable = database.every((result) => result.state !== 'fail');
  yield* await attempt('clock', async () => await checkClocks(answers ? db : null, config));
  const gmail = await checkGmail(config);
  yield* gmail;
  if (isReadable) {
    const gmailAnswers = gmail.every((result) => result.state !== 'fail');
    yield* checkMonitor(context, gmailAnswers);
  } else yield skip('monitor', 'not checked: it needs the database');
  yield* await attempt('bucket', async () => await checkBucket(config, isReadable ? db : null));
  yield* await attempt('topic', async () => await checkConfiguredPubSub(config, env));
}

async function* checkMonitor(context: AppContext, gmailAnswers: boolean): AsyncGenerator<CheckResult> {
  const { config, db } = context;
  let status: Status;
  let mailbox: MailboxStatus | null;
  try {
    const monitor = createMonitor(context);
    status = await readStatus(monitor);
    mailbox = firstMailbox(status) ?? (await readUnshownFirst(monitor));
  } catch (error) {
    yield* await attempt('monitor', () => Promise.reject(error));
    return;
  }
  yield gmailAnswers
    ? await checkCursor(config, accessOfFirst(config), mailbox?.cursor_history_id ?? null)
    : skip('history_cursor', 'not checked: it needs the Gmail API');
  yield* await attempt('quota', async () => await checkQuota(db, config));
  yield checkScheduler(status);
  yield checkCycles(status);
  yield* checkMailboxes(status, true);
  yield* await attempt('added_mailboxes', async () => await checkAddedMailboxes(db));
  yield* await checkListings(db);
  const watch = checkWatch(status, mailbox, config.pubsubTopic);
  yield watch;
  if (mailbox === null) yield skip('last_push', 'no mailbox yet');
  else
    yield* await attempt('last_push', async () =>
      checkLastPush(mailbox, watch, await readNewestLiveAt(db, mailbox.email_address)),
    );
}

/** The first mailbox while 100 worse ones are before it. Null: Gmail has not answered for it yet. */
async function readUnshownFirst(monitor: Monitor): Promise<MailboxStatus | null> {
  const { config, db } = monitor;
  const known = config.gmail === null ? null : await findMailbox(db, credentialFingerprint(config.gmail));
  if (known === null) return null;
  return firstMailbox(await readStatus(monitor, known.emailAddress));
}

async function* checkMailbox(
  { config, db }: AppContext,
  address: string,
  database: readonly CheckResult[],
): AsyncGenerator<CheckResult> {
  if (database.every((result) => result.state !== 'fail')) yield* checkOneMailbox(db, config, address);
  else yield skip('mailbox', 'not checked: it needs the database');
}

function contextOf(env: Environment) {
  try {
    return createAppContext(env, () => undefined);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}
