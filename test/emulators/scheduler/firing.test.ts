import { describe, expect, it } from 'vitest';
import type { RpcStatus } from '../../../emulators/scheduler/job.ts';
import { EVERY_MINUTE, JOB, PARENT, schedulerFixture } from './scheduler-fixture.ts';

const UNAVAILABLE: RpcStatus = { code: 14, message: 'HTTP 503' };

describe('schedule', () => {
  it('fires an every-minute job once per minute and records the attempt', async () => {
    const fixture = schedulerFixture();
    fixture.scheduler.create(PARENT, EVERY_MINUTE);
    for (const time of ['09:00:59', '09:01', '09:01:30', '09:02']) await fixture.tickAt(time);
    expect(fixture.scheduleTimes()).toEqual(['09:01:00', '09:02:00']);
    expect(fixture.scheduler.get(JOB)).toMatchObject({
      lastAttemptTime: '2026-11-23T09:02:00Z',
      scheduleTime: '2026-11-23T09:03:00Z',
      status: {},
    });
  });

  it('interprets the schedule in its time zone', async () => {
    const fixture = schedulerFixture();
    fixture.scheduler.create(PARENT, { ...EVERY_MINUTE, schedule: '30 18 * * 1', timeZone: 'Asia/Tokyo' });
    await fixture.tickAt('09:29');
    await fixture.tickAt('09:30');
    expect(fixture.scheduleTimes()).toEqual(['09:30:00']);
  });

  it('does not fire a paused job, and does not catch up after resume', async () => {
    const fixture = schedulerFixture();
    fixture.scheduler.create(PARENT, EVERY_MINUTE);
    fixture.scheduler.pause(JOB);
    await fixture.tickAt('09:05');
    fixture.scheduler.resume(JOB);
    await fixture.tickAt('09:05:59');
    expect(fixture.attempts).toEqual([]);
    await fixture.tickAt('09:06');
    expect(fixture.scheduleTimes()).toEqual(['09:06:00']);
  });

  it('merges the runs that fall due during a slow run into one run after it', async () => {
    const fixture = schedulerFixture();
    fixture.scheduler.create(PARENT, EVERY_MINUTE);
    const slow = Promise.withResolvers<RpcStatus>();
    fixture.results.push(slow.promise);
    const running = fixture.tickAt('09:01');
    await fixture.tickAt('09:02');
    await fixture.tickAt('09:04');
    expect(fixture.scheduleTimes()).toEqual(['09:01:00']);
    slow.resolve({});
    await running;
    await fixture.tickAt('09:04:01');
    await fixture.tickAt('09:04:02');
    expect(fixture.scheduleTimes()).toEqual(['09:01:00', '09:02:00']);
  });
});

describe('failed run', () => {
  const RETRYING = { ...EVERY_MINUTE, schedule: '0 * * * *', retryConfig: { retryCount: 2 } };

  it('retries a failed run with backoff up to retryCount, always with the same schedule time', async () => {
    const fixture = schedulerFixture();
    fixture.scheduler.create(PARENT, RETRYING);
    fixture.results.push(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE);
    await fixture.tickAt('10:00');
    expect(fixture.scheduler.get(JOB)).toMatchObject({
      status: UNAVAILABLE,
      scheduleTime: '2026-11-23T10:00:05Z',
    });
    for (const time of ['10:00:04', '10:00:05', '10:00:14', '10:00:15', '10:30']) await fixture.tickAt(time);
    expect(fixture.scheduleTimes()).toEqual(['10:00:00', '10:00:00', '10:00:00']);
    expect(fixture.scheduler.get(JOB).scheduleTime).toBe('2026-11-23T11:00:00Z');
  });

  it('does not retry a failed run without a retryCount', async () => {
    const fixture = schedulerFixture();
    fixture.scheduler.create(PARENT, { ...RETRYING, retryConfig: {} });
    fixture.results.push(UNAVAILABLE);
    await fixture.tickAt('10:00');
    await fixture.tickAt('10:30');
    expect(fixture.attempts).toHaveLength(1);
  });

  it('drops the pending retry when the next scheduled run is due', async () => {
    const fixture = schedulerFixture();
    const slowRetry = { retryCount: 5, minBackoffDuration: '120s' };
    fixture.scheduler.create(PARENT, { ...EVERY_MINUTE, retryConfig: slowRetry });
    fixture.results.push(UNAVAILABLE);
    await fixture.tickAt('09:01');
    await fixture.tickAt('09:02');
    await fixture.tickAt('09:02:59');
    expect(fixture.scheduleTimes()).toEqual(['09:01:00', '09:02:00']);
  });

  it('drops the pending retry when the job is paused', async () => {
    const fixture = schedulerFixture();
    fixture.scheduler.create(PARENT, RETRYING);
    fixture.results.push(UNAVAILABLE);
    await fixture.tickAt('10:00');
    fixture.scheduler.pause(JOB);
    fixture.scheduler.resume(JOB);
    await fixture.tickAt('10:30');
    expect(fixture.attempts).toHaveLength(1);
  });
});

describe('forced run', () => {
  it('fires a forced run at once, even for a paused job, and keeps the state', async () => {
    const fixture = schedulerFixture();
    fixture.scheduler.create(PARENT, EVERY_MINUTE);
    fixture.scheduler.pause(JOB);
    fixture.scheduler.run(JOB);
    await fixture.scheduler.settled();
    expect(fixture.scheduleTimes()).toEqual(['09:00:30']);
    expect(fixture.scheduler.get(JOB)).toMatchObject({
      state: 'PAUSED',
      lastAttemptTime: '2026-11-23T09:00:30Z',
      status: {},
    });
  });

  it('overlaps forced runs with other runs, up to a limit', async () => {
    const fixture = schedulerFixture();
    fixture.scheduler.create(PARENT, EVERY_MINUTE);
    const slow = Promise.withResolvers<RpcStatus>();
    fixture.results.push(...Array.from({ length: 6 }, () => slow.promise));
    const running = fixture.tickAt('09:01');
    for (let run = 0; run < 5; run += 1) fixture.scheduler.run(JOB);
    expect(() => fixture.scheduler.run(JOB)).toThrowError(
      expect.objectContaining({ status: 'RESOURCE_EXHAUSTED', code: 429 }),
    );
    slow.resolve({});
    await running;
    await fixture.scheduler.settled();
    fixture.scheduler.run(JOB);
    expect(fixture.attempts).toHaveLength(7);
  });
});
