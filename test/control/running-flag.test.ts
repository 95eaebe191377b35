import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../../shared/config.ts';
import type { Monitor } from '../../shared/control/monitor.ts';
import { startMonitor, stopMonitor } from '../../shared/control/running-flag.ts';
import type { SchedulerJob, SchedulerJobState } from '../../shared/control/scheduler-job.ts';
import { readMonitorStatus } from '../../shared/db/monitor-status.ts';
import { AppError } from '../../shared/errors.ts';
import { createLog } from '../../shared/log.ts';
import { CREDENTIALS } from '../helpers/status-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

interface HeldCall {
  readonly verb: 'pause' | 'resume';
  /** Google applies the change and answers. */
  answer(): void;
  /** Google returns an error, although the change may have taken effect. */
  fail(tookEffect: boolean): void;
}

/** A scheduler job whose changes wait until the test releases them. */
class HeldScheduler implements SchedulerJob {
  state: 'enabled' | 'paused' = 'paused';
  readonly #held: HeldCall[] = [];

  pause = async () => await this.#hold('pause');
  resume = async () => await this.#hold('resume');
  read = async () => this.#answer();

  /** Waits for the oldest held call. */
  async next(): Promise<HeldCall> {
    for (;;) {
      const call = this.#held.shift();
      if (call !== undefined) return call;
      await setImmediate();
    }
  }

  /** Releases all calls, oldest first, until the work is done. */
  async drain(work: Promise<unknown>): Promise<void> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    while (!isDone) {
      this.#held.shift()?.answer();
      await setImmediate();
    }
    await done;
  }

  async #hold(verb: HeldCall['verb']): Promise<SchedulerJobState> {
    const answered = Promise.withResolvers<SchedulerJobState>();
    const apply = () => {
      this.state = verb === 'pause' ? 'paused' : 'enabled';
    };
    this.#held.push({
      verb,
      answer: () => {
        apply();
        answered.resolve(this.#answer());
      },
      fail: (tookEffect) => {
        if (tookEffect) apply();
        answered.reject(new AppError('scheduler_unavailable', 'No answer.'));
      },
    });
    return await answered.promise;
  }

  #answer(): SchedulerJobState {
    return { name: 'job', state: this.state, schedule: '* * * * *', lastAttemptAt: null, nextRunAt: null };
  }
}

let db: TestDatabase;
let scheduler: HeldScheduler;
let monitor: Monitor;
beforeEach(async () => {
  db = await createTestDatabase();
  scheduler = new HeldScheduler();
  const config = readConfig({ DATABASE_URL: db.url, ...CREDENTIALS });
  monitor = {
    config,
    db,
    scheduler,
    log: createLog({ level: 'error', format: 'json', sink: () => undefined }),
  };
});
afterEach(() => db.close());

async function agreement() {
  return { flag: (await readMonitorStatus(db)).isRunning, job: scheduler.state };
}

describe('concurrent start and stop', () => {
  it('a stop that begins and ends during the resume of a start leaves the monitor stopped and the job paused', async () => {
    const started = startMonitor(monitor);
    const resume = await scheduler.next();
    expect(resume.verb).toBe('resume');
    const stopped = stopMonitor(monitor);
    (await scheduler.next()).answer();
    expect(await stopped).toBe(false);
    // The late resume enables the job of a stopped monitor; the start sees the flag and pauses it.
    resume.answer();
    await scheduler.drain(started);
    expect(await started).toBe(false);
    expect(await agreement()).toEqual({ flag: false, job: 'paused' });
  });

  it('a start that begins and ends during the pause of a stop leaves the monitor on and the job enabled', async () => {
    await scheduler.drain(startMonitor(monitor));
    const stopped = stopMonitor(monitor);
    const pause = await scheduler.next();
    await Promise.all([startMonitor(monitor), scheduler.next().then((call) => call.answer())]);
    pause.answer();
    await scheduler.drain(stopped);
    expect(await agreement()).toEqual({ flag: true, job: 'enabled' });
  });

  it('twenty concurrent starts and stops leave flag and job in agreement', async () => {
    const calls = Array.from({ length: 20 }, async (_, at) =>
      at % 2 === 0 ? await startMonitor(monitor) : await stopMonitor(monitor),
    );
    await scheduler.drain(Promise.all(calls));
    const { flag, job } = await agreement();
    expect(job).toBe(flag ? 'enabled' : 'paused');
  });

  it.each([true, false])(
    'the next start or stop makes flag and job agree after a failed change (took effect: %s)',
    async (tookEffect) => {
      for (const verb of [startMonitor, stopMonitor]) {
        const started = startMonitor(monitor);
        (await scheduler.next()).fail(tookEffect);
        await expect(started).rejects.toMatchObject({ code: 'scheduler_unavailable' });
        await scheduler.drain(verb(monitor));
        const { flag, job } = await agreement();
        expect(job).toBe(flag ? 'enabled' : 'paused');
        await scheduler.drain(stopMonitor(monitor));
      }
    },
  );
});

it('start and stop set only the flag when no job is configured', async () => {
  expect(await startMonitor({ ...monitor, scheduler: null })).toBe(true);
  expect(await stopMonitor({ ...monitor, scheduler: null })).toBe(false);
});
