import { describe, expect, it } from 'vitest';
import { readConfig } from '../../shared/config.ts';
import { adviceFor } from '../../shared/control/advice.ts';
import type { MailboxStatus, SchedulerStatus, StatusBody } from '../../shared/control/status.ts';

const NOW = new Date('2026-11-23T09:00:00Z');
const ENV = {
  DATABASE_URL: 'postgres://app@127.0.0.1/mail',
  GMAIL_CLIENT_ID: 'id',
  GMAIL_CLIENT_SECRET: 'secret',
  GMAIL_REFRESH_TOKEN: 'token',
};

function minutesAgo(minutes: number): Date {
  return new Date(NOW.getTime() - minutes * 60_000);
}

function mailbox(more: Partial<MailboxStatus> = {}): MailboxStatus {
  return {
    email_address: 'orders@example.com',
    is_current: true,
    state: 'watching',
    cursor_history_id: '1',
    last_success_at: NOW,
    next_poll_at: null,
    failure_count: 0,
    last_error: null,
    lease_holder: null,
    is_listing: false,
    ledger: { pending: 0, stored: 0, gone: 0, ignored: 0, dead: 0 },
    oldest_pending_at: null,
    last_push_at: null,
    watch: null,
    proof: null,
    incidents: [],
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

function advise(
  more: Partial<StatusBody> = {},
  { env = {}, lastErrorCode = null }: { env?: Record<string, string>; lastErrorCode?: string | null } = {},
): string[] {
  const status = {
    is_running: true,
    last_poll_at: minutesAgo(1),
    last_error: null,
    emails_processed_total: 0,
    state: 'watching' as const,
    scheduler: scheduler(),
    mailboxes: [mailbox()],
    ...more,
  };
  return adviceFor(
    status,
    readConfig({ ...ENV, ...env }),
    { lastErrorCode, updatedAt: NOW, readAt: NOW },
    [],
  );
}

it('there is no advice when all is well', () => {
  expect(advise()).toEqual([]);
});

describe('a monitor whose cycles have ceased', () => {
  it('is told of after five intervals, not before', () => {
    expect(advise({ last_poll_at: minutesAgo(5) })).toEqual([]);
    expect(advise({ last_poll_at: minutesAgo(5.1) })).toEqual([expect.stringContaining('No cycle has run')]);
  });

  it('counts its own interval when that is longer than a minute', () => {
    const env = { GMAIL_POLL_INTERVAL_SECONDS: '600' };
    expect(advise({ last_poll_at: minutesAgo(45) }, { env })).toEqual([]);
    expect(advise({ last_poll_at: minutesAgo(51) }, { env })).toHaveLength(1);
  });

  it('is not told of while it waits after a failure', () => {
    const mailboxes = [mailbox({ next_poll_at: minutesAgo(1) })];
    expect(advise({ last_poll_at: minutesAgo(30), mailboxes })).toEqual([]);
  });

  it('is not told of when it was stopped on purpose', () => {
    const advice = advise({ is_running: false, last_poll_at: minutesAgo(600), scheduler: null });
    expect(advice).toEqual([expect.stringContaining('The monitor is stopped')]);
  });
});

describe('the scheduler', () => {
  it.each(['disabled', 'update_failed'])(
    'that has put its job into %s is a matter for terraform',
    (state) => {
      const advice = advise({ scheduler: scheduler({ state, agrees: false }) });
      expect(advice).toEqual([expect.stringContaining('terraform apply')]);
      expect(advice[0]).toContain(state);
    },
  );

  it('that cannot be read gives the remediation of its fault', () => {
    const error = { code: 'scheduler_denied', detail: 'x', remediation: 'Grant it.' };
    expect(advise({ scheduler: scheduler({ state: 'unknown', agrees: null, error }) })).toEqual([
      'Grant it.',
    ]);
  });

  it('that misses its job is told of whether the monitor runs or not', () => {
    const missing = scheduler({ state: 'missing', agrees: true });
    expect(advise({ scheduler: missing })[0]).toContain('SCHEDULER_JOB');
    expect(advise({ scheduler: missing, is_running: false })[0]).toContain('SCHEDULER_JOB');
  });
});

describe('dead messages', () => {
  const dead = { pending: 0, stored: 9, gone: 0, ignored: 0, dead: 2 };

  it('are counted for each mailbox, with the way to see and to retry them', () => {
    expect(advise({ mailboxes: [mailbox({ ledger: dead })] })).toEqual([
      expect.stringMatching(/^2 messages of orders@example\.com .*error_code.*poll-now\?retry=dead\.$/),
    ]);
  });

  it('of one read as one', () => {
    const [advice] = advise({ mailboxes: [mailbox({ ledger: { ...dead, dead: 1 } })] });
    expect(advice).toMatch(/^1 message of /);
  });
});

it('the most pressing comes first: what denies access, the scheduler, the switch, the dead', () => {
  const lastError = { code: 'reauth_required', detail: null, remediation: 'Authorize.' };
  const ledger = { pending: 0, stored: 0, gone: 0, ignored: 0, dead: 1 };
  const advice = advise({
    is_running: false,
    scheduler: scheduler({ agrees: false }),
    mailboxes: [mailbox({ last_error: lastError, ledger })],
  });
  expect(advice).toEqual([
    'Authorize.',
    expect.stringContaining('its scheduler job'),
    expect.stringContaining('is stopped'),
    expect.stringContaining('1 message of'),
  ]);
});

it('credentials that reach no mailbox yet give the remediation of the last fault', () => {
  const advice = advise({ mailboxes: [] }, { lastErrorCode: 'bad_client' });
  expect(advice).toEqual([expect.stringContaining('GMAIL_CLIENT_SECRET')]);
});

it('a fault that another version wrote gives no advice instead of none at all', () => {
  expect(advise({ mailboxes: [] }, { lastErrorCode: 'renamed_since' })).toEqual([]);
});
