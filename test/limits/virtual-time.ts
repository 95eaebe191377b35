/**
 * Virtual time: timers and PostgreSQL's clock follow one simulated clock, which advances to the next timer when no statement
 * is in flight. Minutes pass in seconds.
 */
import { type Database, openDatabase, type Queryable } from '../../shared/db/database.ts';
import { Semaphore } from '../../shared/limits/semaphore.ts';
import type { Sleep } from '../../shared/retry.ts';
import { createTestDatabase } from '../helpers/test-database.ts';

export interface VirtualTime {
  /** A database whose `clock_timestamp()` returns the virtual time. */
  readonly db: Queryable;
  /** Milliseconds since the start of a minute. */
  readonly clock: () => number;
  readonly sleep: Sleep;
  /** Advances the clock until `work` has ended. */
  run<T>(work: Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A schema before pg_catalog in the search path overrides the function in statements that do not qualify it. */
const REPLACE_CLOCK = `
create schema virtual;
create table virtual.clock as select timestamptz '2026-11-01 00:00:00Z' as at;
create function virtual.clock_timestamp() returns timestamptz language sql volatile
return (select at from virtual.clock);
do $do$ begin
  execute format('alter database %I set search_path = virtual, pg_catalog, public', current_database());
end $do$`;

export async function startVirtualTime(): Promise<VirtualTime> {
  const created = await createTestDatabase();
  await created.query(REPLACE_CLOCK);
  const opened = openDatabase({ target: { kind: 'url', url: created.url }, poolSize: 2 });
  const timers: { readonly atMs: number; readonly wake: () => void }[] = [];
  let nowMs = 0;
  let runningCount = 0;
  // One statement at a time, so that each sees its own time.
  const turn = new Semaphore(1);
  const query: Database['query'] = async (sql, parameters) => {
    runningCount += 1;
    try {
      return await turn.run(async () => {
        await opened.query(
          `update virtual.clock set at = timestamptz '2026-11-01 00:00:00Z' + $1::float8 * interval '1 ms'`,
          [nowMs],
        );
        return await opened.query(sql, parameters);
      });
    } finally {
      runningCount -= 1;
    }
  };
  return {
    db: { query },
    clock: () => nowMs,
    sleep: async (ms) =>
      await new Promise((wake) => {
        timers.push({ atMs: nowMs + ms, wake });
      }),
    run: async (work) => {
      let isDone = false;
      const end = () => {
        isDone = true;
      };
      work.then(end, end);
      for (;;) {
        await new Promise(setImmediate);
        if (isDone) return await work;
        if (runningCount > 0) continue;
        const next = timers.reduce((a, b) => (b.atMs < a.atMs ? b : a), {
          atMs: Infinity,
          wake: () => undefined,
        });
        if (next.atMs === Infinity) throw new Error('Nothing is left to wait for.');
        timers.splice(timers.indexOf(next), 1);
        nowMs = next.atMs;
        next.wake();
      }
    },
    close: async () => {
      await opened.close();
      await created.close();
    },
  };
}
