import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jsonFileStore } from '../../../emulators/scheduler/job-store.ts';
import { EVERY_MINUTE, JOB, PARENT, schedulerFixture } from './scheduler-fixture.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'scheduler-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('jsonFileStore', () => {
  it('restores jobs with their state and last attempt after a restart', async () => {
    const store = jsonFileStore(join(folder, 'new', 'jobs.json'));
    const before = schedulerFixture({ store });
    before.scheduler.create(PARENT, EVERY_MINUTE);
    await before.tickAt('09:01');
    before.scheduler.pause(JOB);
    const after = schedulerFixture({ store });
    expect(after.scheduler.get(JOB)).toMatchObject({
      state: 'PAUSED',
      lastAttemptTime: '2026-11-23T09:01:00Z',
    });
    await after.tickAt('09:05');
    expect(after.attempts).toEqual([]);
  });

  it('continues the schedule after a restart without the missed runs', async () => {
    const store = jsonFileStore(join(folder, 'jobs.json'));
    schedulerFixture({ store }).scheduler.create(PARENT, EVERY_MINUTE);
    const after = schedulerFixture({ store, clock: () => new Date('2026-11-23T12:00:30Z') });
    await after.scheduler.tick();
    expect(after.attempts).toEqual([]);
    expect(after.scheduler.get(JOB).scheduleTime).toBe('2026-11-23T12:01:00Z');
  });

  it('throws on a damaged jobs file', () => {
    const path = join(folder, 'jobs.json');
    writeFileSync(path, '{"jobs": [');
    expect(() => schedulerFixture({ store: jsonFileStore(path) })).toThrow(
      /Cannot read the scheduler's jobs/,
    );
  });
});
