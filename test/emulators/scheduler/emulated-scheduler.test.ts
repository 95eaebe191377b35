import { describe, expect, it } from 'vitest';
import { EVERY_MINUTE, JOB, PARENT, schedulerFixture } from './scheduler-fixture.ts';

describe('the jobs', () => {
  it('come back from a creation with the defaults that Google shows', () => {
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

  it('get an id when the caller gives none', () => {
    const { scheduler } = schedulerFixture({ newJobId: () => '42' });
    const { name: _, ...nameless } = EVERY_MINUTE;
    expect(scheduler.create(PARENT, nameless).name).toBe(`${PARENT}/jobs/42`);
  });

  it.each([
    ['a schedule in English', { schedule: 'every 5 minutes' }],
    ['a schedule with seconds', { schedule: '*/5 * * * * *' }],
    ['a schedule of the 30th of February', { schedule: '0 0 30 2 *' }],
    ['no schedule', { schedule: undefined }],
    ['an unknown time zone', { timeZone: 'Mars/Olympus' }],
    ['no target', { httpTarget: undefined }],
    ['a target that is no URL', { httpTarget: { uri: 'poll' } }],
    ['a body with GET', { httpTarget: { uri: 'http://127.0.0.1:9/', httpMethod: 'GET', body: 'e30=' } }],
    ['a header that cannot be sent', { httpTarget: { uri: 'http://127.0.0.1:9/', headers: { 'X A': 'b' } } }],
    ['a deadline of five seconds', { attemptDeadline: '5s' }],
    ['six retries', { retryConfig: { retryCount: 6 } }],
    ['a field that no job has', { colour: 'blue' }],
    ['a name with a space', { name: `${PARENT}/jobs/two words` }],
    ['a name in another location', { name: 'projects/demo/locations/europe-west1/jobs/poll' }],
  ])('are refused with %s', (_, fault) => {
    const { scheduler } = schedulerFixture();
    expect(() => scheduler.create(PARENT, { ...EVERY_MINUTE, ...fault })).toThrowError(
      expect.objectContaining({ status: 'INVALID_ARGUMENT', code: 400 }),
    );
  });

  it('cannot be created twice, and a missing one is not found', () => {
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

  it('are listed by name in pages, each location for itself', () => {
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

describe('an update', () => {
  const target = {
    uri: 'http://127.0.0.1:9/poll',
    headers: { 'x-a': '1' },
    oidcToken: { serviceAccountEmail: 'invoker@example.com', audience: 'http://127.0.0.1:9' },
  };

  it('changes what the mask names and nothing else', () => {
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

  it('clears what the mask names and the body lacks', () => {
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

  it('without a mask takes the settings that the body carries and leaves the output fields alone', () => {
    const { scheduler } = schedulerFixture();
    scheduler.create(PARENT, EVERY_MINUTE);
    const job = scheduler.patch(JOB, { name: JOB, description: 'new', state: 'PAUSED' }, null);
    expect(job).toMatchObject({ description: 'new', schedule: '* * * * *', state: 'ENABLED' });
  });

  it('is refused whole when the mask names an unknown field or the result is no valid job', () => {
    const { scheduler } = schedulerFixture();
    const before = scheduler.create(PARENT, EVERY_MINUTE);
    for (const mask of ['colour', 'schedule']) {
      expect(() => scheduler.patch(JOB, { schedule: 'often' }, mask)).toThrowError(
        expect.objectContaining({ status: 'INVALID_ARGUMENT' }),
      );
    }
    expect(scheduler.get(JOB)).toEqual(before);
  });

  it('leaves a paused job paused and heals one whose last update failed', () => {
    const { scheduler } = schedulerFixture();
    scheduler.create(PARENT, EVERY_MINUTE);
    scheduler.pause(JOB);
    expect(scheduler.patch(JOB, { description: 'new' }, 'description').state).toBe('PAUSED');
    scheduler.force(JOB, 'UPDATE_FAILED');
    expect(scheduler.patch(JOB, { description: 'new' }, 'description').state).toBe('ENABLED');
  });
});

describe('pausing and resuming', () => {
  it('move between ENABLED and PAUSED and refuse every other state', () => {
    const { scheduler } = schedulerFixture();
    scheduler.create(PARENT, EVERY_MINUTE);
    const refused = expect.objectContaining({ status: 'FAILED_PRECONDITION', code: 400 });
    expect(() => scheduler.resume(JOB)).toThrowError(refused);
    expect(scheduler.pause(JOB).state).toBe('PAUSED');
    expect(() => scheduler.pause(JOB)).toThrowError(refused);
    expect(scheduler.resume(JOB).state).toBe('ENABLED');
    scheduler.force(JOB, 'DISABLED');
    expect(() => scheduler.pause(JOB)).toThrowError(refused);
    expect(() => scheduler.resume(JOB)).toThrowError(refused);
  });
});
