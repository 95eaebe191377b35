/** The output of `npm run mailbox -- list`: a table for people, objects for programs. */

import { operatorState, remediationFor, requiresOperator } from '../../shared/errors.ts';
import { formatTable } from '../sql/format-table.ts';
import type { ListedMailbox } from './mailbox-list.ts';

const COLUMNS = ['mailbox', 'access', 'state', 'paused', 'stored', 'last error'];

export function mailboxTable(mailboxes: readonly ListedMailbox[]): string {
  const rows = mailboxes.map((one) => [
    one.emailAddress,
    one.access?.replaceAll('_', ' ') ?? 'none',
    stateOf(one).replaceAll('_', ' '),
    one.isPaused ? 'yes' : 'no',
    one.storedCount?.toLocaleString('en') ?? 'unknown',
    [one.lastErrorCode, one.lastError].filter((part) => part !== null).join(': '),
  ]);
  return formatTable(
    COLUMNS,
    rows.map((row) => row.map((cell) => (cell === '' ? null : cell))),
  ).text;
}

export function mailboxJson(one: ListedMailbox) {
  return {
    email_address: one.emailAddress,
    access: one.access,
    state: stateOf(one),
    is_paused: one.isPaused,
    label: one.label,
    initial_query: one.initialQuery,
    stored_count: one.storedCount,
    failure_count: one.failureCount,
    last_success_at: one.lastSuccessAt,
    last_error:
      one.lastErrorCode === null
        ? null
        : {
            code: one.lastErrorCode,
            detail: one.lastError,
            remediation: remediationFor(
              one.lastErrorCode,
              one.access === 'refresh_token' ? one.emailAddress : null,
            ),
          },
  };
}

/** A short form of the states of `status`, from the settings and the last run alone. */
function stateOf(one: ListedMailbox): string {
  if (one.access === null) return 'not_read';
  if (one.isPaused) return 'paused';
  if (requiresOperator(one.lastErrorCode)) return operatorState(one.lastErrorCode);
  if (!one.isRunning) return 'stopped';
  if (one.failureCount > 0) return 'backing_off';
  if (one.isUnanswered) return 'catching_up';
  return one.lastSuccessAt === null ? 'starting' : 'polled';
}
