/**
 * Routes for the mailboxes: a page of them, and what an operator can do: add one, pause, resume or remove it. Each change is
 * logged with the account of the operator. Addresses of changes are in the body.
 */
import { existsSync } from 'node:fs';
import type { AppContext } from '../../shared/control/app-context.ts';
import { createMonitor } from '../../shared/control/monitor.ts';
import { readMailboxPage } from '../../shared/control/status/status-response.ts';
import { readMonitorStatus } from '../../shared/db/monitor-status.ts';
import { AppError } from '../../shared/errors.ts';
import { type HttpRequest, json } from '../../shared/http.ts';
import type { Log } from '../../shared/log.ts';
import { secretPath } from '../../shared/mailbox-access.ts';
import { formerAddress, normalizedAddress } from '../../shared/mailbox-confirmation.ts';
import {
  addMailbox,
  isFirstMailbox,
  removeMailbox,
  setPaused,
} from '../../shared/mailboxes/mailbox-changes.ts';
import { shellWord } from '../../shared/operator-commands.ts';
import type { MailboxChange, MailboxPage } from '../../shared/schemas/mailboxes.ts';
import { type Handler, integerParameter, jsonBody, searchText } from './request-parameters.ts';

const MAX_OFFSET = 1_000_000;

export function showMailboxes(context: AppContext): Handler {
  const monitor = createMonitor(context);
  return async ({ query }) => {
    const contains = searchText(query['contains'])?.toLowerCase() ?? '';
    const offset = integerParameter(query['offset'] ?? 0, 'offset', 0, MAX_OFFSET);
    return json<MailboxPage>(200, await readMailboxPage(monitor, { contains, offset }));
  };
}

/** The body has `email_address`, `access` (`refresh_token` or `delegation`), and optionally `label` and `initial_query`. */
export function addOne({ config, db }: AppContext): Handler {
  return async (request, _params, log) => {
    const body = jsonBody(request.body);
    const address = addressParameter(body['email_address']);
    const { access } = body;
    if (access !== 'refresh_token' && access !== 'delegation')
      throw new AppError('bad_request', '"access" must be refresh_token or delegation.');
    if (await isFirstMailbox(db, address))
      throw new AppError(
        'bad_request',
        'This is the first mailbox, whose credentials are environment variables.',
      );
    const { secretName } = await addMailbox(db, {
      emailAddress: address,
      access,
      label: textParameter(body['label'], 'label'),
      initialQuery: textParameter(body['initial_query'], 'initial_query'),
    });
    recordChange(request, log, 'Added a mailbox', address);
    const folder = config.mailboxSecrets?.startsWith('/') ? config.mailboxSecrets : null;
    const target = folder === null ? '--secret-manager' : '--write';
    const hasCredentials =
      folder !== null && secretName !== null && existsSync(secretPath(folder, secretName));
    const nextStep = hasCredentials
      ? (await readMonitorStatus(db)).isRunning
        ? 'The next poll uses the credentials that are there already.'
        : 'The credentials are there already. The monitor is stopped: press “Start”, and the poll uses them.'
      : access === 'refresh_token'
        ? `Run \`npm run authorize -- --mailbox ${shellWord(address)} --client-secret client_secret.json ${target}\`: its owner agrees once.`
        : config.delegationServiceAccount === null
          ? 'Set GMAIL_DELEGATION_SERVICE_ACCOUNT: without it no service account can read the mailbox.'
          : `Run \`npm run doctor -- --mailbox ${shellWord(address)}\`, which checks that the service account may read it.`;
    return json<MailboxChange>(200, { email_address: address, next_step: nextStep });
  };
}

export function pauseOne(context: AppContext): Handler {
  return changePause(context, true);
}

export function resumeOne(context: AppContext): Handler {
  return changePause(context, false);
}

function changePause({ db }: AppContext, isPaused: boolean): Handler {
  return async (request, _params, log) => {
    const address = storedAddress(jsonBody(request.body)['email_address']);
    if ((await setPaused(db, address, isPaused)) === null) throw notAdded();
    recordChange(request, log, isPaused ? 'Paused a mailbox' : 'Resumed a mailbox', address);
    return json<MailboxChange>(200, { email_address: address, next_step: null });
  };
}

/** What is stored stays. The first mailbox cannot be removed. */
export function removeOne({ db }: AppContext): Handler {
  return async (request, _params, log) => {
    const address = storedAddress(jsonBody(request.body)['email_address']);
    const removed = await removeMailbox(db, address);
    if (removed === null) throw notAdded();
    recordChange(request, log, 'Removed a mailbox', address);
    const nextStep =
      removed.access === 'refresh_token' ? 'Its secret stays. Delete it if it is no longer needed.' : null;
    return json<MailboxChange>(200, { email_address: address, next_step: nextStep });
  };
}

/** An address, or the placeholder that the list shows after another account got the address. @throws {AppError} bad_request */
function storedAddress(value: unknown): string {
  return formerAddress(value) ?? addressParameter(value);
}

/** Not `parseAddress`, whose error explains how to write an address in a URL. @throws {AppError} bad_request */
function addressParameter(value: unknown): string {
  const address = typeof value === 'string' ? normalizedAddress(value) : null;
  if (address !== null) return address;
  throw new AppError('bad_request', '"email_address" must be one email address, such as orders@example.com.');
}

function recordChange({ account }: HttpRequest, log: Log, message: string, address: string): void {
  log.info('control_changed', message, { email_address: address, account: account ?? 'unknown' });
}

function notAdded(): AppError {
  return new AppError('mailbox_unknown', 'No operator has added a mailbox with this address.');
}

/** @returns null when it is empty @throws {AppError} bad_request */
function textParameter(value: unknown, name: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string' || value.length > 500)
    throw new AppError('bad_request', `"${name}" must be text of at most 500 characters.`);
  const text = value.replaceAll('\0', ' ').toWellFormed().trim();
  return text === '' ? null : text;
}
