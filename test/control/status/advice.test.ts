import { describe, expect, it } from 'vitest';
import { type Environment, readConfig } from '../../../shared/config.ts';
import { adviceFor, adviceText, type StatusWithoutAdvice } from '../../../shared/control/status/advice.ts';
import type { PollingGap } from '../../../shared/control/status/mailbox-state.ts';
import { ERRORS } from '../../../shared/error-catalogue.ts';
import { remediationForMessage } from '../../../shared/errors.ts';
import { unconfirmedDetail } from '../../../shared/mailbox-confirmation.ts';
import type { ConsumerStatus } from '../../../shared/schemas/consumer-status.ts';
import type { ErrorInfo } from '../../../shared/schemas/fields.ts';
import type { Failing, MailboxStatus, WatchStatus } from '../../../shared/schemas/mailbox-status.ts';
import type { SchedulerStatus } from '../../../shared/schemas/status.ts';

const NOW = new Date('2026-11-23T09:00:00Z');
const ENV = {
  DATABASE_URL: 'postgres://app@127.0.0.1/mail',
  GMAIL_CLIENT_ID: 'id',
  GMAIL_CLIENT_SECRET: 'secret',
  GMAIL_REFRESH_TOKEN: 'token',
};

function hoursAgo(hours: number): Date {
  return new Date(NOW.getTime() - hours * 3_600_000);
}

function mailbox(more: Partial<MailboxStatus> = {}): MailboxStatus {
  return {
    email_address: 'orders@example.com',
    is_current: true,
    is_paused: false,
    access: 'environment',
    state: 'watching',
    cursor_history_id: '1',
    last_run_at: NOW,
    last_success_at: NOW,
    next_poll_at: null,
    failure_count: 0,
    last_error: null,
    lease_holder: null,
    is_listing: false,
    waiting_count: 0,
    unknown_since: null,
    ledger: { pending: 0, stored: 0, gone: 0, ignored: 0, dead: 0 },
    oldest_pending_at: null,
    failing: null,
    last_push_at: null,
    watch: null,
    unpublished: null,
    reconciliation: null,
    incidents: [],
    ...more,
  };
}

function failing(more: Partial<Failing> = {}): Failing {
  const code = more.error_code === undefined ? 'gmail_unavailable' : more.error_code;
  return {
    count: 1,
    dead_count: 0,
    error_code: code,
    error_detail: 'users.messages.get: 503',
    remediation: remediationForMessage(code, (more.dead_count ?? 0) > 0),
    next_attempt_at: NOW,
    oldest_since: hoursAgo(1),
    ...more,
  };
}

function scheduler(more: Partial<SchedulerStatus> = {}): SchedulerStatus {
  return {
    job: 'projects/demo/locations/l/jobs/poll',
    state: 'enabled',
    schedule: '* * * * *',
    last_attempt_at: null,
    next_run_at: null,
    agrees: true,
    error: null,
    ...more,
  };
}

function reconciliation(at: Date, missing: number): MailboxStatus['reconciliation'] {
  const counts = { stored_count: 5, pending_count: 0, failed_count: 0, ignored_count: 0, gone_count: 0 };
  return {
    at,
    up_to: at,
    since: hoursAgo(48),
    gmail_count: 5 + missing,
    ...counts,
    missing_count: missing,
    full: null,
  };
}

function watchWith(error: ErrorInfo): WatchStatus {
  return {
    topic: 'projects/demo/topics/gmail',
    registered_at: null,
    expires_at: null,
    is_silent: false,
    late_run_count: 0,
    late_since: null,
    error,
  };
}

function consumer(more: Partial<ConsumerStatus> = {}): ConsumerStatus {
  return {
    name: 'extraction',
    waiting_count: 0,
    claimed_count: 0,
    dead_count: 0,
    capped_counts: [],
    oldest_queued_at: null,
    is_adding_older: false,
    dead_emails: [],
    ...more,
  };
}

const NO_TOTALS: StatusWithoutAdvice['totals'] = {
  pending: 0,
  stored: 0,
  gone: 0,
  ignored: 0,
  dead: 0,
  failing: 0,
  missing: null,
  unreconciled_count: 0,
  unreconciled_paused_count: 0,
  waiting_count: 0,
  unknown_count: 0,
  unknown_since: null,
  states: {},
  paused_count: 0,
};

const NO_RUN_BEGINS: PollingGap = { kind: 'no_run_begins', since: hoursAgo(2) };

function items(
  more: Partial<StatusWithoutAdvice> = {},
  lastErrorCode: string | null = null,
  pollingGap: PollingGap = NO_RUN_BEGINS,
  env: Environment = ENV,
) {
  const status: StatusWithoutAdvice = {
    is_running: true,
    last_poll_at: NOW,
    last_error: null,
    emails_processed_total: 0,
    state: 'watching',
    scheduler: scheduler(),
    mailbox_count: 1,
    totals: NO_TOTALS,
    mailboxes: [mailbox()],
    consumers: [],
    retention: null,
    uncollected_objects: null,
    ...more,
  };
  const config = readConfig({ DATABASE_URL: ENV.DATABASE_URL, ...env });
  const [first] = status.mailboxes;
  return adviceFor(config.gmail === null ? { ...status, mailbox_count: 0 } : status, {
    config,
    hasCredentials: config.gmail !== null,
    now: NOW,
    mailboxes: status.mailboxes,
    lastErrorCode,
    isFirstUnidentified: first === undefined,
    pollingGaps:
      status.state === 'not_polling' && first !== undefined
        ? [{ address: first.email_address, gap: pollingGap }]
        : [],
    rejectedListings: [],
  });
}

const advise = (...given: Parameters<typeof items>) => items(...given).map(adviceText);

it('gives no advice when nothing needs attention', () => {
  expect(advise()).toEqual([]);
});

describe('the action of an advice', () => {
  it('advises start while the monitor is stopped, and ends the text for curl with the command', () => {
    const stopped = { is_running: false, scheduler: null };
    expect(items(stopped)).toEqual([{ code: 'stopped', text: expect.any(String), action: 'start' }]);
    expect(items(stopped)[0]?.text).not.toContain('POST');
    expect(advise(stopped)[0]).toMatch(/unknown\. POST start\.$/);
  });

  it('promises no retry and no next attempt while the monitor is stopped', () => {
    const failed = {
      code: 'gmail_unavailable',
      detail: '503',
      remediation: ERRORS.gmail_unavailable.remediation,
    };
    const mailboxes = [mailbox({ last_error: failed, failing: failing(), watch: watchWith(failed) })];
    expect(advise({ mailboxes }).join()).toMatch(/the call is tried again.*The next attempt is at 2026/);
    const stopped = advise({ is_running: false, scheduler: null, mailboxes });
    expect(stopped.join()).not.toMatch(/Nothing to do|tried again|next attempt/);
    expect(stopped.join()).toMatch(/POST start\..*1 message of orders@example\.com cannot be fetched/);
    const dead = failing({ dead_count: 1, remediation: remediationForMessage('gmail_unavailable', true) });
    const missing = { at: NOW, missing_count: 2 } as NonNullable<MailboxStatus['reconciliation']>;
    const others = advise({
      is_running: false,
      scheduler: null,
      mailboxes: [mailbox({ failing: dead, reconciliation: missing })],
    });
    expect(others.join()).toMatch(/Retry it, or give it up\. While the monitor is on, it is also retried/);
    expect(others.join()).not.toMatch(/being fetched/);
    const unidentified = { is_running: false, scheduler: null, mailboxes: [] };
    expect(items(unidentified, 'gmail_unavailable').map(({ code }) => code)).toEqual(['stopped']);
  });

  it('advises poll-now while no run begins, and says since when and what to check', () => {
    expect(advise({ state: 'not_polling' })).toEqual([
      expect.stringMatching(
        /^No run has begun since 2026-11-23T07:00.*scheduler job.*what poll answers.*POST poll-now\.$/,
      ),
    ]);
  });

  it('advises no action while runs begin but do not end, and says since when and where to find the reason', () => {
    const gap: PollingGap = { kind: 'no_run_ends', since: hoursAgo(2) };
    expect(items({ state: 'not_polling' }, null, gap)).toMatchObject([
      { code: 'runs_not_ending', action: null },
    ]);
    expect(advise({ state: 'not_polling' }, null, gap)).toEqual([
      expect.stringMatching(/^No run has ended since 2026-11-23T07:00.*logs of the poll.*memory/),
    ]);
  });

  it.each([
    [true, 'paused', 'start'],
    [false, 'enabled', 'stop'],
  ] as const)(
    'advises the action that makes flag and job agree (is_running %s, job %s)',
    (isRunning, state, action) => {
      const [first] = items({ is_running: isRunning, scheduler: scheduler({ state, agrees: false }) });
      expect(first).toMatchObject({ code: 'scheduler_job_disagrees', action });
    },
  );

  it('gives the choice in one advice while the monitor is stopped but its job is enabled', () => {
    const stopped = { is_running: false, scheduler: scheduler({ agrees: false }) };
    expect(items(stopped)).toHaveLength(1);
    expect(items(stopped)[0]?.text).not.toContain('POST');
    expect(advise(stopped)[0]).toMatch(
      /^The monitor is stopped.*job is enabled.*does nothing\..*POST stop, or POST start\.$/,
    );
  });

  it('advises only start while the job is paused, because that is why no run begins', () => {
    const paused = {
      state: 'not_polling',
      scheduler: scheduler({ state: 'paused', agrees: false }),
    } as const;
    expect(items(paused)).toMatchObject([{ code: 'scheduler_job_disagrees', action: 'start' }]);
    const gap: PollingGap = { kind: 'no_run_ends', since: hoursAgo(2) };
    expect(items(paused, null, gap).map((item) => item.code)).toEqual([
      'scheduler_job_disagrees',
      'runs_not_ending',
    ]);
  });
});

describe('advice for a page with buttons', () => {
  const lastError = (code: 'account_unconfirmed' | 'label_missing' | 'watch_conflict', detail: string) => ({
    code,
    detail,
    remediation: ERRORS[code].remediation,
  });

  it.each([
    ['label_missing', 'start', /POST start\.$/],
    ['watch_conflict', 'restart', /POST stop, then POST start\.$/],
    ['account_unconfirmed', 'confirm_mailbox', /POST start\?new_mailbox=ADDRESS.*renamed_from=ADDRESS/],
  ] as const)(
    'names the action of the error %s instead of a command, which curl gets',
    (code, action, command) => {
      const more =
        code === 'watch_conflict'
          ? { mailboxes: [mailbox({ watch: watchWith(lastError(code, 'x')) })] }
          : { mailboxes: [mailbox({ last_error: lastError(code, 'x') })] };
      expect(items(more)).toMatchObject([{ code, action }]);
      expect(items(more)[0]?.text).not.toMatch(/POST|ADDRESS/);
      expect(advise(more)).toEqual([expect.stringMatching(command)]);
      expect(ERRORS[code].remediation).toMatch(command);
    },
  );

  it('puts the address of an added mailbox into the command, and no address for several mailboxes', () => {
    const of = (address: string) =>
      mailbox({
        email_address: address,
        access: 'refresh_token',
        last_error: {
          code: 'mailbox_secret_missing',
          detail: 'GMAIL_MAILBOX_SECRETS is not set.',
          remediation: ERRORS.mailbox_secret_missing.remediation,
        },
      });
    const more = { mailbox_count: 2, mailboxes: [of("o'hara@example.com")] };
    expect(items(more)[0]?.text).toContain(
      "o'hara@example.com: Run `npm run authorize -- --mailbox 'o'\\''hara@example.com' --secret-manager`",
    );
    const several = { mailbox_count: 2, mailboxes: [of('ann@example.com'), of('bob@example.com')] };
    expect(items(several)[0]?.text).toContain('authorize -- --mailbox ADDRESS --secret-manager');
  });

  it('puts the address of the only mailbox into the command that resumes it', () => {
    const more = { mailboxes: [mailbox({ is_paused: true })] };
    expect(advise(more)).toEqual([
      expect.stringMatching(/Run `npm run mailbox -- resume orders@example\.com`\.$/),
    ]);
  });

  it.each([
    [unconfirmedDetail('sales@example.com', 'orders@example.com, former@example.com')],
    [unconfirmedDetail('sales@example.com', null)],
  ])('names the account that an operator has to confirm: %s', (detail) => {
    for (const error of [detail, `${ERRORS.account_unconfirmed.title}: ${detail}`]) {
      const [item] = items({ mailboxes: [], last_error: error }, 'account_unconfirmed');
      expect(item).toMatchObject({ action: 'confirm_mailbox', account: 'sales@example.com' });
    }
  });

  it('names no account when another version recorded the error', () => {
    const [item] = items({ mailboxes: [], last_error: 'Another account.' }, 'account_unconfirmed');
    expect(item).toEqual({
      code: 'account_unconfirmed',
      text: expect.any(String),
      action: 'confirm_mailbox',
    });
  });

  it('shows the statement that deletes unpublished rows to curl only', () => {
    const mailboxes = [mailbox({ unpublished: { count: 2, oldest_since: hoursAgo(1) } })];
    expect(items({ mailboxes })).toMatchObject([{ code: 'emails_unpublished', action: 'poll_now' }]);
    expect(items({ mailboxes })[0]?.text).not.toContain('delete');
    expect(items({ mailboxes })[0]?.text).toContain(
      'while an email has one, RETENTION_DAYS does not erase it',
    );
    expect(advise({ mailboxes })).toEqual([
      expect.stringMatching(/`delete from email_outbox`\. .*POST poll-now\.$/),
    ]);
  });

  it('contains no command in any text of the error catalogue', () => {
    for (const { text } of Object.values(ERRORS)) expect(text).not.toMatch(/POST |delete from/);
  });
});

describe('the scheduler job', () => {
  it.each(['disabled', 'update_failed'] as const)(
    'advises terraform apply when the scheduler job is %s',
    (state) => {
      const advice = advise({ scheduler: scheduler({ state, agrees: false }) });
      expect(advice).toEqual([expect.stringContaining('terraform apply')]);
      expect(advice[0]).toContain(state);
    },
  );

  it('advises the remediation of the error when the scheduler job cannot be read', () => {
    const error = { code: 'scheduler_denied', detail: 'x', remediation: 'Grant it.' };
    expect(advise({ scheduler: scheduler({ state: 'unknown', agrees: null, error }) })).toEqual([
      'Grant it.',
    ]);
  });

  it('reports a missing scheduler job, whether the monitor is on or off', () => {
    const missing = scheduler({ state: 'missing', agrees: true });
    expect(advise({ scheduler: missing })[0]).toContain('SCHEDULER_JOB');
    expect(advise({ scheduler: missing, is_running: false })[0]).toContain('SCHEDULER_JOB');
  });
});

describe('advice about failing messages', () => {
  it('counts dead and failing messages per mailbox, with an action for each', () => {
    const mailboxes = [mailbox({ failing: failing({ count: 5, dead_count: 2 }) })];
    expect(items({ mailboxes })).toEqual([
      {
        code: 'messages_dead',
        text: expect.stringMatching(/^2 messages of orders@example\.com /),
        action: 'retry_dead',
      },
      {
        code: 'messages_failing',
        text: expect.stringMatching(/^3 messages of .*next attempt/),
        action: 'poll_now',
      },
    ]);
  });

  it('offers no retry for the dead messages of a removed mailbox, because no run fetches them', () => {
    const mailboxes = [mailbox({ is_current: false, failing: failing({ dead_count: 1 }) })];
    expect(items({ mailboxes })).toEqual([
      {
        code: 'messages_dead_unread',
        text: expect.stringMatching(/no run retries them.*--mailbox orders@example\.com --give-up/),
        action: null,
      },
    ]);
  });

  it('uses the singular for one dead message', () => {
    const [advice] = advise({ mailboxes: [mailbox({ failing: failing({ dead_count: 1 }) })] });
    expect(advice).toMatch(/^1 message of /);
  });

  it.each([null, 'renamed_since', ...Object.keys(ERRORS)])(
    'never says that there is nothing to do about a dead or failing message (%s)',
    (code) => {
      for (const dead of [0, 1]) {
        const mailboxes = [mailbox({ failing: failing({ error_code: code, dead_count: dead }) })];
        const advice = advise({ mailboxes });
        expect(advice).toHaveLength(1);
        expect(advice[0]).not.toMatch(/nothing to do/i);
        expect(remediationForMessage(code, dead > 0)).not.toMatch(/nothing to do/i);
      }
    },
  );
});

describe('advice about reconciliation', () => {
  it('asks for a full reconciliation when the last one found messages missing', () => {
    const mailboxes = [mailbox({ reconciliation: reconciliation(NOW, 3) })];
    expect(items({ mailboxes })).toMatchObject([{ code: 'messages_missing', action: 'reconcile_all' }]);
  });

  it('reports a reconciliation that is hours old while the monitor is on, but not while it is off', () => {
    const mailboxes = [mailbox({ reconciliation: reconciliation(hoursAgo(4), 0) })];
    expect(items({ mailboxes })).toMatchObject([{ code: 'reconciliation_stale', action: 'reconcile_all' }]);
    expect(items({ mailboxes, is_running: false }).map((item) => item.code)).not.toContain(
      'reconciliation_stale',
    );
  });
});

it('orders advice by urgency: access, scheduler job, flag, dead messages', () => {
  const lastError = { code: 'reauth_required', detail: null, remediation: 'Authorize.' };
  const codes = items({
    is_running: false,
    scheduler: scheduler({ state: 'missing', agrees: true }),
    mailboxes: [mailbox({ last_error: lastError, failing: failing({ dead_count: 1 }) })],
  }).map((item) => item.code);
  expect(codes).toEqual(['reauth_required', 'scheduler_job_missing', 'stopped', 'messages_dead']);
});

it('gives the remediation of the last error while the credentials have no mailbox yet', () => {
  expect(advise({ mailboxes: [] }, 'bad_client')).toEqual([expect.stringContaining('GMAIL_CLIENT_SECRET')]);
});

it('gives no advice for an error code that another version wrote', () => {
  expect(advise({ mailboxes: [] }, 'renamed_since')).toEqual([]);
});

describe('consumers', () => {
  it('advises to queue dead emails of a consumer again, also without credentials', () => {
    const consumers = [
      consumer({ dead_count: 1 }),
      consumer({ name: 'archive', dead_count: 10_000, capped_counts: ['dead_count'] }),
    ];
    const expected = [
      expect.stringMatching(/^1 email of the consumer extraction failed .* cause\. Queue .*requeue_email\(/),
      expect.stringMatching(/^At least 10000 emails of the consumer archive failed /),
    ];
    expect(advise({ consumers })).toEqual(expected);
    expect(items({ consumers })).toMatchObject([
      { code: 'consumer_emails_dead', action: 'requeue_emails', consumer: 'extraction' },
      { code: 'consumer_emails_dead', action: 'requeue_emails', consumer: 'archive' },
    ]);
    expect(advise({ consumers }, null, NO_RUN_BEGINS, {}).slice(-2)).toEqual(expected);
  });

  it('advises to check the workers when the oldest email has waited longer than the configured time', () => {
    const consumers = [consumer({ waiting_count: 3, oldest_queued_at: hoursAgo(1.01) })];
    expect(items({ consumers })).toEqual([
      {
        code: 'consumer_waiting',
        text: expect.stringMatching(
          /^The consumer extraction has not .* since 2026-11-23T07:59.*workers run/,
        ),
        action: null,
      },
    ]);
    expect(advise({ consumers: [consumer({ oldest_queued_at: hoursAgo(0.99) })] })).toEqual([]);
    const patient = { ...ENV, CONSUMER_MAX_WAIT_SECONDS: '7200' };
    expect(advise({ consumers }, null, NO_RUN_BEGINS, patient)).toEqual([]);
  });
});
