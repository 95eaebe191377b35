import { describe, expect, it } from 'vitest';
import {
  AppError,
  type ErrorCode,
  operatorState,
  remediationFor,
  requiresOperator,
  toAppError,
} from '../shared/errors.ts';

/** Every error code: the compiler rejects a new code without a line here. */
const EXPECTED: Record<ErrorCode, readonly [status: number, retry: 'later' | 'never', severity: string]> = {
  bad_request: [400, 'never', 'INFO'],
  not_found: [404, 'never', 'INFO'],
  mailbox_unknown: [404, 'never', 'INFO'],
  email_claimed: [409, 'later', 'INFO'],
  raw_unreadable: [500, 'never', 'ERROR'],
  cross_site: [403, 'never', 'WARNING'],
  iap_assertion_rejected: [401, 'never', 'WARNING'],
  iap_keys_unavailable: [503, 'later', 'ERROR'],
  method_not_allowed: [405, 'never', 'INFO'],
  not_configured: [409, 'never', 'WARNING'],
  reauth_required: [409, 'never', 'ERROR'],
  bad_client: [409, 'never', 'ERROR'],
  gmail_denied: [409, 'never', 'ERROR'],
  workspace_session_expired: [409, 'never', 'ERROR'],
  deleted_client: [409, 'never', 'ERROR'],
  disabled_client: [409, 'never', 'ERROR'],
  admin_policy_enforced: [409, 'never', 'ERROR'],
  policy_enforced: [409, 'never', 'ERROR'],
  org_internal: [409, 'never', 'ERROR'],
  mail_service_disabled: [409, 'never', 'ERROR'],
  account_unconfirmed: [409, 'never', 'ERROR'],
  wrong_account: [409, 'never', 'ERROR'],
  mailbox_secret_missing: [409, 'never', 'WARNING'],
  mailbox_secret_unreadable: [409, 'never', 'ERROR'],
  delegation_not_configured: [409, 'never', 'ERROR'],
  delegation_not_allowed: [409, 'never', 'ERROR'],
  delegation_signing_denied: [409, 'never', 'ERROR'],
  delegation_account_missing: [409, 'never', 'ERROR'],
  delegation_api_disabled: [409, 'never', 'ERROR'],
  mailbox_not_found: [409, 'never', 'ERROR'],
  google_credentials_missing: [409, 'never', 'ERROR'],
  label_missing: [409, 'never', 'ERROR'],
  push_silent: [503, 'later', 'WARNING'],
  backing_off: [503, 'later', 'WARNING'],
  gmail_daily_limit: [503, 'later', 'ERROR'],
  gmail_rate_limited: [503, 'later', 'WARNING'],
  gmail_unavailable: [503, 'later', 'WARNING'],
  gmail_refused: [502, 'never', 'ERROR'],
  watch_conflict: [409, 'never', 'ERROR'],
  message_gone: [404, 'never', 'INFO'],
  watch_denied: [409, 'never', 'ERROR'],
  watch_topic_wrong: [409, 'never', 'ERROR'],
  history_expired: [503, 'never', 'ERROR'],
  database_unavailable: [503, 'later', 'ERROR'],
  database_denied: [503, 'later', 'ERROR'],
  database_credentials_missing: [503, 'later', 'ERROR'],
  database_login_failed: [503, 'later', 'ERROR'],
  migration_running: [503, 'later', 'WARNING'],
  schema_outdated: [503, 'never', 'ERROR'],
  migrate_unavailable: [503, 'later', 'ERROR'],
  schema_incompatible: [503, 'never', 'ERROR'],
  unstorable: [500, 'never', 'ERROR'],
  killed_process: [500, 'never', 'ERROR'],
  lease_lost: [503, 'later', 'WARNING'],
  out_of_time: [503, 'later', 'INFO'],
  quota_used_up: [503, 'later', 'INFO'],
  scheduler_unavailable: [503, 'later', 'ERROR'],
  scheduler_denied: [502, 'never', 'ERROR'],
  scheduler_job_missing: [502, 'never', 'ERROR'],
  emails_topic_denied: [502, 'never', 'ERROR'],
  emails_topic_unavailable: [503, 'later', 'WARNING'],
  account_added: [409, 'never', 'ERROR'],
  work_topic_denied: [502, 'never', 'ERROR'],
  work_topic_unavailable: [503, 'later', 'WARNING'],
  bucket_unavailable: [503, 'later', 'ERROR'],
  bucket_denied: [502, 'never', 'ERROR'],
  bucket_credentials_missing: [502, 'never', 'ERROR'],
  bucket_object_missing: [500, 'never', 'ERROR'],
  bucket_not_set: [500, 'never', 'ERROR'],
  url_signing_denied: [502, 'never', 'ERROR'],
  bytes_in_database: [409, 'never', 'INFO'],
  internal: [500, 'later', 'ERROR'],
};
const CODES = Object.keys(EXPECTED) as ErrorCode[];

describe('the error catalogue', () => {
  it.each(CODES)('gives %s a status, a retry rule, a severity, a title and a remediation', (code) => {
    const error = new AppError(code, 'detail');
    expect([error.status, error.retry, error.severity]).toEqual(EXPECTED[code]);
    expect(error.title).toMatch(/^[A-Z].*[^.]$/);
    expect(error.remediation).toMatch(/^[A-Z].*\.$/s);
    expect(remediationFor(code)).toBe(error.remediation);
  });

  it.each([
    ['reauth_required', 'reauth_required'],
    ['workspace_session_expired', 'reauth_required'],
    ['bad_client', 'access_denied'],
    ['deleted_client', 'access_denied'],
    ['disabled_client', 'access_denied'],
    ['admin_policy_enforced', 'access_denied'],
    ['policy_enforced', 'access_denied'],
    ['org_internal', 'access_denied'],
    ['gmail_denied', 'access_denied'],
    ['mail_service_disabled', 'access_denied'],
    ['account_unconfirmed', 'access_denied'],
    ['label_missing', 'access_denied'],
    ['wrong_account', 'access_denied'],
    ['mailbox_secret_missing', 'reauth_required'],
    ['mailbox_secret_unreadable', 'access_denied'],
    ['delegation_not_configured', 'access_denied'],
    ['delegation_not_allowed', 'access_denied'],
    ['delegation_signing_denied', 'access_denied'],
    ['delegation_account_missing', 'access_denied'],
    ['delegation_api_disabled', 'access_denied'],
    ['mailbox_not_found', 'access_denied'],
    ['google_credentials_missing', 'access_denied'],
  ])('maps %s, which requires the operator, to the state %s', (code, state) => {
    expect(requiresOperator(code) && operatorState(code)).toBe(state);
  });

  it('requires the operator for no other code', () => {
    expect(CODES.filter(requiresOperator)).toHaveLength(23);
    expect(requiresOperator(null)).toBe(false);
    expect(requiresOperator('toString')).toBe(false);
  });

  it.each([null, 'renamed_since', 'toString', '__proto__'])(
    'has no remediation for the unknown stored code %s',
    (code) => {
      expect(remediationFor(code)).toBeNull();
    },
  );
});

describe('toAppError', () => {
  it('returns an AppError unchanged', () => {
    const error = new AppError('message_gone', 'users.messages.get: 404.');
    expect(toAppError(error)).toBe(error);
  });

  it('turns another error into internal, without its message, and keeps it as the cause', () => {
    const thrown = new TypeError('Order 4711 of buyer@example.com');
    const error = toAppError(thrown);
    expect(error).toMatchObject({ code: 'internal', message: 'Unexpected TypeError.', cause: thrown });
  });

  it.each([
    ['a string', 'Unexpected string.'],
    [undefined, 'Unexpected undefined.'],
    [null, 'Unexpected object.'],
    [{ message: 'Order 4711' }, 'Unexpected object.'],
  ])('turns the thrown value %s into internal', (thrown, message) => {
    expect(toAppError(thrown)).toMatchObject({ code: 'internal', message });
  });
});

describe('AppError', () => {
  it('has the given retry wait, or null when none was given', () => {
    expect(new AppError('gmail_rate_limited', '', { retryAfterMs: 2_000 }).retryAfterMs).toBe(2_000);
    expect(new AppError('gmail_rate_limited', '').retryAfterMs).toBeNull();
  });

  it('has no cause property when no cause was given', () => {
    expect('cause' in new AppError('internal', '')).toBe(false);
  });
});
