import { describe, expect, it } from 'vitest';
import { EVERY_MINUTE, JOB, PARENT, schedulerFixture } from './scheduler-fixture.ts';

describe('jobs', () => {
  it('creates a job with the defaults that Google returns', () => {
    const { scheduler } = schedulerFixture();
    expect(scheduler.create(PARENT, EVERY_MINUTE)).toEqual({
      name: JOB,
      schedule: '* * * * *',
      timeZone: 'UTC',
      state: 'ENABLED',
      httpTarget: { uri: 'http://127.0.0.1:9/poll', httpMethod: 'POST' },
      retryConfig: {
        retryCount: 0,
        maxRetryDuration: '0s',
        minBackoffDuration: '5s',
        maxBackoffDuration: '3600s',
        maxDoublings: 5,
      },
      attemptDeadline: '180s',
      userUpdateTime: '2026-11-23T09:00:30Z',
      scheduleTime: '2026-11-23T09:01:00Z',
    });
  });

  it('assigns an id to a job without a name', () => {
    const { scheduler } = schedulerFixture({ newJobId: () => '42' });
    const { name: _, ...nameless } = EVERY_MINUTE;
    expect(scheduler.create(PARENT, nameless).name).toBe(`${PARENT}/jobs/42`);
  });

  it.each([
    ['a schedule in English', { schedule: 'every 5 minutes' }],
    ['a schedule with seconds', { schedule: '*/5 * * * * *' }],
    ['a schedule for 30 February', { schedule: '0 0 30 2 *' }],
    ['no schedule', { schedule: undefined }],
    ['an unknown time zone', { timeZone: 'Mars/Olympus' }],
    ['no target', { httpTarget: undefined }],
    ['a target that is not a URL', { httpTarget: { uri: 'poll' } }],
    ['a body with GET', { httpTarget: { uri: 'http://127.0.0.1:9/', httpMethod: 'GET', body: 'e30=' } }],
    ['an invalid header name', { httpTarget: { uri: 'http://127.0.0.1:9/', headers: { 'X A': 'b' } } }],
    ['a deadline of five seconds', { attemptDeadline: '5s' }],
    ['six retries', { retryConfig: { retryCount: 6 } }],
    ['an unknown field', { colour: 'blue' }],
    ['a name with a space', { name: `${PARENT}/jobs/two words` }],
    ['a name in another location', { name: 'projects/demo/locations/europe-west1/jobs/poll' }],
  ])('rejects a job with %s', (_, invalid) => {
    const { scheduler } = schedulerFixture();
    expect(() => scheduler.create(PARENT, { ...EVERY_MINUTE, ...invalid })).toThrowError(
      expect.objectContaining({ status: 'INVALID_ARGUMENT', code: 400 }),
    );
  });

  it('rejects a duplicate job with ALREADY_EXISTS and a missing one with NOT_FOUND', () => {
    const { scheduler } = schedulerFixture();
    scheduler.create(PARENT, EVERY_MINUTE);
    expect(() => scheduler.create(PARENT, EVERY_MINUTE)).toThrowError(
      expect.objectContaining({ status: 'ALREADY_EXISTS', code: 409 }),
    );
    scheduler.delete(JOB);
    expect(() => scheduler.get(JOB)).toThrowError(
      expect.objectContaining({ status: 'NOT_FOUND', code: 404 }),
    );
  });

  it('lists the jobs of a location by name, in pages', () => {
    const { scheduler } = schedulerFixture();
    for (const id of ['c', 'a', 'b']) {
      scheduler.create(PARENT, { ...EVERY_MINUTE, name: `${PARENT}/jobs/${id}` });
    }
    const first = scheduler.list(PARENT, 2);
    const second = scheduler.list(PARENT, 2, first.nextPageToken);
    expect([first, second].map(({ jobs }) => jobs.map(({ name }) => name.at(-1)))).toEqual([
      ['a', 'b'],
      ['c'],
    ]);
    expect(second.nextPageToken).toBe('');
    expect(scheduler.list('projects/demo/locations/europe-west1').jobs).toEqual([]);
  });
});

describe('update', () => {
  const target = {
    uri: 'http://127.0.0.1:9/poll',
    headers: { 'x-a': '1' },
    oidcToken: { serviceAccountEmail: 'invoker@example.com', audience: 'http://127.0.0.1:9' },
  };

  it('changes only the fields in the update mask', () => {
    const { scheduler } = schedulerFixture();
    const before = scheduler.create(PARENT, { ...EVERY_MINUTE, description: 'old', httpTarget: target });
    const body = {
      schedule: '0 * * * *',
      description: 'new',
      http_target: { uri: 'http://127.0.0.1:9/other' },
    };
    expect(scheduler.patch(JOB, body, 'schedule,http_target.uri')).toEqual({
      ...before,
      schedule: '0 * * * *',
      scheduleTime: '2026-11-23T10:00:00Z',
      httpTarget: { ...before.httpTarget, uri: 'http://127.0.0.1:9/other' },
    });
  });

  it('clears fields in the update mask that the body omits', () => {
    const { scheduler } = schedulerFixture();
    scheduler.create(PARENT, { ...EVERY_MINUTE, description: 'old', httpTarget: target });
    const mask = 'httpTarget.oidcToken.serviceAccountEmail,httpTarget.oidcToken.audience,description';
    const job = scheduler.patch(JOB, {}, mask);
    expect(job.description).toBeUndefined();
    expect(job.httpTarget).toEqual({
      uri: target.uri,
      headers: target.headers,
      httpMethod: 'POST',
    });
  });

  it('changes the settings in the body, but no output-only fields, without an update mask', () => {
    const { scheduler } = schedulerFixture();
    scheduler.create(PARENT, EVERY_MINUTE);
    const job = scheduler.patch(JOB, { name: JOB, description: 'new', state: 'PAUSED' }, null);
    expect(job).toMatchObject({ description: 'new', schedule: '* * * * *', state: 'ENABLED' });
  });

  it('changes nothing if the update mask has an unknown field or the result is invalid', () => {
    const { scheduler } = schedulerFixture();
    const before = scheduler.create(PARENT, EVERY_MINUTE);
    for (const mask of ['colour', 'schedule']) {
      expect(() => scheduler.patch(JOB, { schedule: 'often' }, mask)).toThrowError(
        expect.objectContaining({ status: 'INVALID_ARGUMENT' }),
      );
    }
    expect(scheduler.get(JOB)).toEqual(before);
  });

  it('keeps a paused job paused after an update and re-enables a job in UPDATE_FAILED', () => {
    const { scheduler } = schedulerFixture();
    scheduler.create(PARENT, EVERY_MINUTE);
    scheduler.pause(JOB);
    expect(scheduler.patch(JOB, { description: 'new' }, 'description').state).toBe('PAUSED');
    scheduler.force(JOB, 'UPDATE_FAILED');
    expect(scheduler.patch(JOB, { description: 'new' }, 'description').state).toBe('ENABLED');
  });
});

describe('pause and resume', () => {
  it('pauses only ENABLED jobs and resumes only PAUSED jobs', () => {
    const { scheduler } = schedulerFixture();
    scheduler.create(PARENT, EVERY_MINUTE);
    const rejection = expect.objectContaining({ status: 'FAILED_PRECONDITION', code: 400 });
    expect(() => scheduler.resume(JOB)).toThrowError(rejection);
    expect(scheduler.pause(JOB).state).toBe('PAUSED');
    expect(() => scheduler.pause(JOB)).toThrowError(rejection);
    expect(scheduler.resume(JOB).state).toBe('ENABLED');
    scheduler.force(JOB, 'DISABLED');
    expect(() => scheduler.pause(JOB)).toThrowError(rejection);
    expect(() => scheduler.resume(JOB)).toThrowError(rejection);
  });
});

it('rejects and never calls another target than the given one', async () => {
  const targetUri = 'http://127.0.0.1:9/poll';
  const foreign = { httpTarget: { uri: 'http://127.0.0.1:9/stop' } };
  const stored = schedulerFixture();
  stored.scheduler.create(PARENT, { ...EVERY_MINUTE, ...foreign });
  const jobs = stored.scheduler.list(PARENT).jobs;
  const { scheduler, attempts } = schedulerFixture({
    targetUri,
    store: { load: () => jobs, save: () => {} },
  });
  const denied = expect.objectContaining({ status: 'INVALID_ARGUMENT' });
  expect(() =>
    scheduler.create(PARENT, { ...EVERY_MINUTE, ...foreign, name: `${PARENT}/jobs/other` }),
  ).toThrow(denied);
  scheduler.run(JOB);
  await scheduler.settled();
  expect([attempts, scheduler.get(JOB).status]).toEqual([[], expect.objectContaining({ code: 7 })]);
  scheduler.patch(JOB, EVERY_MINUTE, 'httpTarget');
  expect(() => scheduler.patch(JOB, foreign, 'httpTarget')).toThrow(denied);
  scheduler.run(JOB);
  await scheduler.settled();
  expect(attempts).toHaveLength(1);
});
