import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { setPaused } from '../../shared/mailboxes/mailbox-changes.ts';
import { JOB, type SchedulerFixture, schedulerFixture } from '../helpers/scheduler-fixture.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';

// Skips the waits between retries of Cloud Scheduler calls.
vi.mock(import('../../shared/retry.ts'), async (original) => ({
  ...(await original()),
  realSleep: async () => undefined,
}));

const NO_CREDENTIALS = { GMAIL_CLIENT_ID: '', GMAIL_CLIENT_SECRET: '', GMAIL_REFRESH_TOKEN: '' };

let fixture: SchedulerFixture;
let system: TestSystem;
beforeEach(async () => {
  fixture = await schedulerFixture();
  system = await createTestSystem({ env: fixture.env });
});
afterEach(async () => {
  await system.close();
  await fixture.close();
});

async function readFlag(): Promise<boolean | undefined> {
  return (await system.rows<{ is_running: boolean }>('select is_running from email_monitor_status'))[0]
    ?.is_running;
}

describe('start', () => {
  it.each([
    ['the label exists', { GMAIL_LABEL_ID: 'Orders' }],
    ['the setting is removed', {}],
  ])(
    'start removes the error of an earlier start about a missing label once %s, also while the mailbox is paused',
    async (_case, env) => {
      await system.ingest();
      await setPaused(system.db, system.gmail.emailAddress, true);
      const labelled = system.instance({ GMAIL_LABEL_ID: 'Orders' });
      const missing = (await labelled.call('start')).json;
      expect(missing).toMatchObject({
        state: 'access_denied',
        last_error: expect.stringContaining('"Orders"'),
      });
      system.gmail.createLabel('Orders');
      const { json } = await system.instance(env).call('start');
      expect(json).toMatchObject({ state: 'stopped', last_error: null, mailboxes: [{ last_error: null }] });
    },
  );

  it.each([
    ['Gmail does not answer', { kind: 'status', status: 503 }, {}],
    ['the label is missing', null, { GMAIL_LABEL_ID: 'Orders' }],
  ] as const)('start records the same last error as a run when %s', async (_case, fault, env) => {
    if (fault !== null) system.gmail.faults.add(fault);
    const instance = system.instance(env);
    const { last_error: ofStart } = (await instance.call('start')).json;
    await instance.call('poll');
    const { last_error: ofRun } = (await instance.call('status')).json;
    expect(ofStart).toMatch(/^(Gmail did not return a valid response|The Gmail label does not exist): /);
    expect(ofStart).toBe(ofRun);
  });

  it('start keeps an error that is not about the label', async () => {
    await system.turnOn();
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    await system.ingest();
    expect((await system.call('start')).json).toMatchObject({ last_error: expect.stringContaining('503') });
  });

  it('start sets the flag, resumes the job, and returns the same as status', async () => {
    fixture.scheduler.pause(JOB);
    const started = await system.call('start');
    expect(started.status).toBe(200);
    expect(started.json).toMatchObject({
      is_running: true,
      state: 'starting',
      scheduler: { job: JOB, state: 'enabled', agrees: true, error: null },
      advice: [],
    });
    expect(started.json).toEqual((await system.call('status')).json);
    expect(fixture.scheduler.get(JOB).state).toBe('ENABLED');
  });

  it('start may be called again', async () => {
    await system.call('start');
    const again = await system.call('start');
    expect([again.status, again.json.is_running]).toEqual([200, true]);
  });

  it('start without credentials is rejected with the missing variables and how to obtain them, and changes nothing', async () => {
    const { call } = system.instance({ ...NO_CREDENTIALS, GMAIL_CLIENT_ID: 'id' });
    fixture.scheduler.pause(JOB);
    const rejected = await call('start');
    expect(rejected.status).toBe(409);
    expect(rejected.headers['content-type']).toBe('application/problem+json');
    expect(rejected.json).toMatchObject({
      code: 'not_configured',
      detail: 'Not set: GMAIL_CLIENT_SECRET, GMAIL_REFRESH_TOKEN.',
      remediation: expect.stringContaining('npm run authorize'),
    });
    expect(await readFlag()).toBe(false);
    expect(fixture.scheduler.get(JOB).state).toBe('PAUSED');
  });

  it('start returns 503 when Cloud Scheduler does not answer, but sets the flag, and status shows both', async () => {
    await fixture.close();
    const started = await system.call('start');
    expect(started.status).toBe(503);
    expect(started.json).toMatchObject({
      code: 'scheduler_unavailable',
      remediation: expect.stringContaining('Call again'),
    });
    expect(await readFlag()).toBe(true);
    const status = await system.call('status');
    expect(status.status).toBe(200);
    expect(status.json).toMatchObject({
      is_running: true,
      scheduler: {
        job: JOB,
        state: 'unknown',
        agrees: null,
        error: { code: 'scheduler_unavailable', remediation: started.json.remediation },
      },
      advice: [started.json.remediation],
    });
    // In status, no one has called Cloud Scheduler: the advice itself says what is wrong.
    expect(status.json.advice[0]).toContain('Cloud Scheduler does not answer');
  });

  it('start names the wrong variable when the scheduler job does not exist', async () => {
    fixture.scheduler.delete(JOB);
    const started = await system.call('start');
    expect(started.status).toBe(502);
    expect(started.json).toMatchObject({
      code: 'scheduler_job_missing',
      remediation: expect.stringContaining('SCHEDULER_JOB'),
    });
    const status = await system.call('status');
    expect(status.json).toMatchObject({
      scheduler: { state: 'missing', agrees: false },
      advice: [expect.stringContaining('SCHEDULER_JOB')],
    });
  });

  it('start succeeds when Google has disabled the job, and does not advise another start', async () => {
    fixture.scheduler.force(JOB, 'DISABLED');
    const { status, json } = await system.call('start');
    expect(status).toBe(200);
    expect(json.scheduler).toMatchObject({ state: 'disabled', agrees: false });
    expect(json.advice).toEqual([expect.stringContaining('terraform apply')]);
    expect(json.advice[0]).not.toContain('POST start');
  });

  it('start sets only the flag when no job is configured', async () => {
    const { call } = system.instance({ SCHEDULER_JOB: '' });
    fixture.scheduler.pause(JOB);
    expect((await call('start')).json).toMatchObject({ is_running: true, scheduler: null });
    expect(fixture.scheduler.get(JOB).state).toBe('PAUSED');
  });
});

describe('stop', () => {
  it('stop clears the flag, pauses the job, and returns the same as status', async () => {
    await system.call('start');
    const stopped = await system.call('stop');
    expect(stopped.status).toBe(200);
    expect(stopped.json).toMatchObject({
      is_running: false,
      state: 'stopped',
      scheduler: { state: 'paused', agrees: true, next_run_at: null },
    });
    expect(stopped.json).toEqual((await system.call('status')).json);
    expect(fixture.scheduler.get(JOB).state).toBe('PAUSED');
  });

  it('stop may be called again', async () => {
    await system.call('stop');
    expect((await system.call('stop')).status).toBe(200);
    expect(fixture.scheduler.get(JOB).state).toBe('PAUSED');
  });

  it('stop works without credentials', async () => {
    await system.turnOn();
    const { call } = system.instance(NO_CREDENTIALS);
    expect((await call('stop')).json).toMatchObject({ is_running: false, state: 'not_configured' });
  });

  it('stop returns 503 when Cloud Scheduler does not answer, but the monitor is stopped', async () => {
    await system.turnOn();
    await fixture.close();
    expect((await system.call('stop')).json).toMatchObject({ status: 503, code: 'scheduler_unavailable' });
    expect(await readFlag()).toBe(false);
    expect((await system.call('poll')).json.outcome).toBe('stopped');
  });

  it('stop reports a missing scheduler job, and so does status while stopped', async () => {
    fixture.scheduler.delete(JOB);
    expect((await system.call('stop')).json.code).toBe('scheduler_job_missing');
    const { advice } = (await system.call('status')).json;
    expect(advice[0]).toContain('SCHEDULER_JOB');
  });
});

describe('a job that was changed by gcloud', () => {
  it('status reports that the monitor is on but its job is paused', async () => {
    await system.call('start');
    fixture.scheduler.pause(JOB);
    expect((await system.call('status')).json).toMatchObject({
      scheduler: { state: 'paused', agrees: false },
      advice: ['The monitor is on, but its scheduler job is paused. POST start.'],
    });
    expect((await system.call('start')).json).toMatchObject({ scheduler: { agrees: true }, advice: [] });
  });

  it('status reports that the monitor is off but its job is enabled', async () => {
    await system.call('stop');
    fixture.scheduler.resume(JOB);
    expect((await system.call('status')).json).toMatchObject({
      scheduler: { state: 'enabled', agrees: false },
      advice: [
        'The monitor is stopped, but its scheduler job is enabled: it still calls poll, which does nothing. ' +
          'Stop pauses the job; start fetches email again. POST stop, or POST start.',
      ],
    });
    expect((await system.call('stop')).json).toMatchObject({
      scheduler: { agrees: true },
      advice: [expect.stringMatching(/^The monitor is stopped\./)],
    });
  });
});

describe('an unknown query parameter', () => {
  it.each([
    ['status', 'GET', 'mailbox'],
    ['status', 'HEAD', 'mailbox'],
    ['start', 'POST', 'new_mailbox, renamed_from'],
    ['stop', 'POST', 'none'],
    ['pollNow', 'POST', 'mailbox, retry, reconcile'],
  ] as const)(
    '%s answers %s with 400 and the valid parameters, and changes nothing',
    async (target, method, valid) => {
      await system.turnOn();
      const { json, status } = await system.call(target, { method, query: { mailboxes: 'x' } });
      expect(status).toBe(400);
      expect(json).toMatchObject({
        code: 'bad_request',
        detail: expect.stringMatching(
          new RegExp(`^"mailboxes" is not a parameter of \\S+\\. Valid parameters: ${valid}\\.$`),
        ),
      });
      expect(await readFlag()).toBe(true);
    },
  );
});

it('start and stop each write one log line that names the change', async () => {
  await system.call('start');
  await system.call('stop');
  const lines = system.log.filter((line) => line['event'] === 'control_changed');
  expect(lines.map((line) => line['message'])).toEqual(['Started', 'Stopped']);
});
