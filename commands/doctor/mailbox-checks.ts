/** Checks of one mailbox for `npm run doctor -- --mailbox`, and one line about the added mailboxes without it. */
import type { Config } from '../../shared/config.ts';
import type { Database, Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';
import { AppError, remediationFor, requiresOperator } from '../../shared/errors.ts';
import { type AccessSettings, resolveAccess } from '../../shared/gmail/resolve-access.ts';
import { findLabel, missingDetail } from '../../shared/ingest/resolve-label.ts';
import { type MailboxAccess, secretPath } from '../../shared/mailbox-access.ts';
import { isFirstMailbox } from '../../shared/mailboxes/mailbox-changes.ts';
import { findMailboxSettings, type MailboxSettings } from '../../shared/mailboxes/mailbox-settings.ts';
import { shellWord, withMailbox } from '../../shared/operator-commands.ts';
import { listAllMailboxes } from '../mailbox/mailbox-list.ts';
import { counted } from '../support/terminal.ts';
import { attempt, type CheckResult, fail, failure, ok, skip, warn } from './check-result.ts';
import { checkCursor } from './cursor-check.ts';
import { checkAccess, doctorCall, doctorClient } from './gmail-checks.ts';
import { warnPaused } from './monitor-checks.ts';
import { checkRegistration, noWatchExpected } from './push-checks.ts';
import { checkQuota } from './quota-check.ts';

/** Addresses in one line. */
const MAX_NAMED = 3;

/** Null without credentials. */
export function accessOfFirst({ gmail }: Config): MailboxAccess | null {
  return gmail === null ? null : { kind: 'refresh_token', credentials: gmail };
}

/** @returns nothing without added mailboxes, so that a deployment with one mailbox has no such line */
export async function checkAddedMailboxes(db: Queryable): Promise<CheckResult[]> {
  const name = 'added_mailboxes';
  const added = (await listAllMailboxes(db)).filter(
    ({ access }) => access !== null && access !== 'environment',
  );
  if (added.length === 0) return [];
  const read = added.filter((one) => !one.isPaused);
  const pausedCount = added.length - read.length;
  const failing = read.filter((one) => one.lastErrorCode !== null);
  const text = `${added.length} added${pausedCount === 0 ? '' : `, ${pausedCount} paused`}`;
  if (failing.length === 0) return [ok(name, `${text}, none with an error`)];
  const named = failing
    .slice(0, MAX_NAMED)
    .map((one) => `${one.emailAddress} (${one.lastErrorCode})`)
    .join(', ');
  const more = failing.length > MAX_NAMED ? ` and ${failing.length - MAX_NAMED} more` : '';
  const problem = `${text}, ${failing.length} with an error: ${named}${more}`;
  const [first] = failing;
  const which = failing.length === 1 && first !== undefined ? shellWord(first.emailAddress) : 'ADDRESS';
  const remediation = `Run \`npm run doctor -- --mailbox ${which}\`; \`npm run mailbox -- list\` shows all of them.`;
  const isFailing = failing.some((one) => requiresOperator(one.lastErrorCode));
  return [isFailing ? fail(name, problem, remediation) : warn(name, problem, remediation)];
}

// $1 email address. One row for a mailbox that Gmail has answered for; otherwise none.
const FACTS = statement(
  `
select m.id, m.cursor_history_id, m.failure_count, m.last_error_code, m.last_error, f.is_running,
       w.topic as watch_topic, w.expires_at as watch_expires_at, w.error_code as watch_error_code, w.error as watch_error
from mailboxes m
cross join email_monitor_status f
left join mailbox_watches w on w.mailbox_id = m.id
where m.email_address = lower($1::text)`,
  {
    id: 'integer',
    cursor_history_id: 'numeric',
    failure_count: 'integer',
    last_error_code: 'text?',
    last_error: 'text?',
    is_running: 'boolean',
    watch_topic: 'text?',
    watch_expires_at: 'timestamp with time zone?',
    watch_error_code: 'text?',
    watch_error: 'text?',
  },
);
type Facts = NonNullable<(typeof FACTS)['row']>;

/** @param address in lower case */
export async function* checkOneMailbox(
  db: Database,
  config: Config,
  address: string,
): AsyncGenerator<CheckResult> {
  const settings = await findMailboxSettings(db, address);
  const isAdded = settings !== null && settings.access !== 'environment';
  for await (const result of checksOf(db, config, address, settings)) {
    const { remediation } = result;
    yield isAdded && remediation !== null
      ? { ...result, remediation: withMailbox(remediation, address) }
      : result;
  }
}

async function* checksOf(
  db: Database,
  config: Config,
  address: string,
  settings: MailboxSettings | null,
): AsyncGenerator<CheckResult> {
  if (settings === null && !(await isFirstMailbox(db, address))) {
    const remediation = `Run \`npm run mailbox -- add ${shellWord(address)}\`; \`npm run mailbox -- list\` shows all mailboxes.`;
    return yield fail('mailbox', `${address} was not added`, remediation);
  }
  const facts = (await db.query(FACTS, [address])).rows[0] ?? null;
  yield checkLastRun(address, settings?.isPaused ?? false, facts);
  const of = settings ?? { emailAddress: address, access: 'environment' as const, secretName: null };
  const [secret, access] = await checkSecret(config, of);
  yield secret;
  if (access === null) {
    for (const name of ['credentials', 'scope', 'publishing_status', 'gmail_api', 'label', 'history_cursor'])
      yield skip(name, 'not checked');
  } else yield* checkWithGmail(config, access, { address, label: labelOf(config, settings), facts });
  yield* await attempt('quota', async () =>
    facts === null ? skip('quota', 'no mailbox yet') : await checkQuota(db, config, facts.id),
  );
  yield facts === null
    ? skip('watch', 'no mailbox yet')
    : checkWatchOf(facts, settings?.isPaused ?? false, config.pubsubTopic);
}

/** GMAIL_LABEL_ID counts for the first mailbox only. */
function labelOf({ labelId }: Config, settings: MailboxSettings | null): string | null {
  return settings === null || settings.access === 'environment' ? labelId : settings.label;
}

async function* checkWithGmail(
  config: Config,
  access: MailboxAccess,
  of: { readonly address: string; readonly label: string | null; readonly facts: Facts | null },
): AsyncGenerator<CheckResult> {
  const gmail = await checkAccess(config, access, of.address);
  yield* gmail;
  if (gmail.some((result) => result.state === 'fail')) {
    for (const name of ['label', 'history_cursor']) yield skip(name, 'not checked: it needs the Gmail API');
    return;
  }
  yield* await attempt('label', async () => await checkLabel(config, access, of.label));
  yield await checkCursor(config, access, of.facts?.cursor_history_id ?? null);
}

function checkLastRun(address: string, isPaused: boolean, facts: Facts | null): CheckResult {
  const name = 'mailbox';
  if (isPaused) return warnPaused(address);
  if (facts === null) return ok(name, `${address} was added, and Gmail has not answered for it yet`);
  const { failure_count: count, last_error: detail, last_error_code: code } = facts;
  if (code === null) return ok(name, `the last run of ${address} had no error`);
  const text = `${address}${count > 0 ? `, after ${counted(count, 'failed run')}` : ''}: ${code}, ${detail ?? ''}`;
  const problem = requiresOperator(code) ? fail : warn;
  return problem(name, text, remediationFor(code));
}

async function checkSecret(
  config: Config,
  settings: AccessSettings,
): Promise<[CheckResult, MailboxAccess | null]> {
  const name = 'secret';
  let access: MailboxAccess;
  try {
    access = await resolveAccess(config, settings);
  } catch (error) {
    return [failure(name, error), null];
  }
  if (access.kind === 'delegation')
    return [ok(name, `none is needed: ${access.serviceAccount} has delegation`), access];
  const { mailboxSecrets: store } = config;
  const place =
    settings.access === 'environment' || store === null
      ? 'the environment variables'
      : secretPath(store, settings.secretName ?? '');
  return [ok(name, `read from ${place}`), access];
}

async function checkLabel(
  config: Config,
  access: MailboxAccess,
  setting: string | null,
): Promise<CheckResult> {
  if (setting === null) return skip('label', 'none is set: every received message counts');
  const labels = await doctorClient(config, access).listLabels(doctorCall());
  const found = findLabel(labels, setting);
  if (found === null) throw new AppError('label_missing', missingDetail(setting, labels));
  return ok('label', `${setting} exists`);
}

function checkWatchOf(facts: Facts, isPaused: boolean, configuredTopic: string | null): CheckResult {
  const { watch_error: detail, watch_error_code: code, watch_expires_at, watch_topic: topic } = facts;
  const error = code === null ? null : { code, detail, remediation: remediationFor(code) };
  const watch = topic === null && error === null ? null : { topic, expires_at: watch_expires_at, error };
  return checkRegistration(watch, noWatchExpected(facts.is_running, isPaused), configuredTopic);
}
