/** For what must be written at the begin and the end of a run while the database may be away for a moment. */
import { Deadline } from '../deadline.ts';
import { type RetryPolicy, withRetries } from '../retry.ts';
import type { System } from './run.ts';

/**
 * A lease that is not given back stops everybody for 40 s. A database that restarts or fails over is away for a few
 * seconds: as many of them are waited for as the reserve of a run allows.
 */
const POLICY: RetryPolicy = { attempts: 5, baseMs: 200, capMs: 1_000 };
const PATIENCE_MS = 2_500;

/** @param write may run twice @throws {AppError} */
export async function withPatience<T>(system: System, write: () => Promise<T>): Promise<T> {
  return await withRetries(write, {
    policy: POLICY,
    deadline: Deadline.after(PATIENCE_MS, system.clock),
    random: system.random,
    sleep: system.sleep,
  });
}
