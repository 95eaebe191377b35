/** All checks of what the environment names, in the order in which their faults explain each other. */

import { ConfigError, type Environment } from '../../shared/config.ts';
import { type AppContext, createAppContext } from '../../shared/control/app-context.ts';
import { createMonitor } from '../../shared/control/monitor.ts';
import { readStatus } from '../../shared/control/status-response.ts';
import { checkClocks } from './clock-check.ts';
import { checkCursor } from './cursor-check.ts';
import { checkDatabase } from './database-checks.ts';
import { attempt, type Finding, fail, ok, skip } from './finding.ts';
import { checkGmail } from './gmail-checks.ts';
import {
  currentOf,
  cyclesFinding,
  listingFindings,
  mailboxFindings,
  schedulerFinding,
} from './monitor-checks.ts';
import { checkConfiguredPubSub } from './pubsub-access.ts';
import { lastPushFinding, readNewestLiveAt, watchFinding } from './push-checks.ts';
import { checkQuota } from './quota-check.ts';

/** Changes nothing, in the database or anywhere. */
export async function* examine(env: Environment): AsyncGenerator<Finding> {
  yield ok('node', process.version);
  const context = contextOf(env);
  if (context instanceof ConfigError) {
    const remediation = '.env.example says what it means; set it in .env or in the environment.';
    for (const fault of context.errors) yield fail('environment', fault, remediation);
    yield skip('the_rest', 'not looked at: it needs the configuration');
    return;
  }
  yield ok('environment', 'no faults');
  try {
    yield* examineConfigured(context, env);
  } finally {
    await context.db.close();
  }
}

async function* examineConfigured(context: AppContext, env: Environment): AsyncGenerator<Finding> {
  const { config, db } = context;
  const database = await checkDatabase(db, config);
  yield* database;
  const answers = database[0]?.state === 'ok';
  const isReadable = database.every((finding) => finding.state !== 'fault');
  yield* await attempt('clock', async () => await checkClocks(answers ? db : null, config));
  const gmail = await checkGmail(config);
  yield* gmail;
  if (isReadable) {
    const isHeard = gmail.every((finding) => finding.state !== 'fault');
    yield* examineMonitor(context, isHeard);
  } else yield skip('monitor', 'not looked at: it needs the database');
  yield* await attempt('topic', async () => await checkConfiguredPubSub(config, env));
}

async function* examineMonitor(context: AppContext, isHeard: boolean): AsyncGenerator<Finding> {
  const { config, db } = context;
  let status: Awaited<ReturnType<typeof readStatus>>;
  try {
    status = await readStatus(createMonitor(context));
  } catch (error) {
    yield* await attempt('monitor', () => Promise.reject(error));
    return;
  }
  const cursor = status.mailboxes.find((one) => one.is_current)?.cursor_history_id ?? null;
  yield isHeard
    ? await checkCursor(config, cursor)
    : skip('history_cursor', 'not looked at: it needs the Gmail API');
  yield* await attempt('quota', async () => await checkQuota(db, config));
  yield schedulerFinding(status);
  yield cyclesFinding(status);
  yield* mailboxFindings(status);
  yield* await listingFindings(db);
  const watch = watchFinding(status, config.pubsubTopic);
  yield watch;
  const mailbox = currentOf(status);
  if (mailbox === null) yield skip('last_push', 'no mailbox yet');
  else
    yield* await attempt('last_push', async () =>
      lastPushFinding(mailbox, watch, await readNewestLiveAt(db, mailbox.email_address)),
    );
}

function contextOf(env: Environment) {
  try {
    return createAppContext(env, () => undefined);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}
