/** Steps that several tests of ingest share. */
import type { CallGate } from '../helpers/call-gate.ts';
import { order } from '../helpers/test-emails.ts';
import type { TestSystem, TestSystemOptions } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

/**
 * Call once per test file. The systems close after each test. `startedSystem` has had its first run; `runningSystem` also has
 * its monitor on.
 */
export function useIngestSystems() {
  const createTestSystem = useTestSystems();
  const startedSystem = async (options?: TestSystemOptions): Promise<TestSystem> => {
    const system = await createTestSystem(options);
    await system.ingest();
    return system;
  };
  const runningSystem = async (options?: TestSystemOptions): Promise<TestSystem> => {
    const system = await createTestSystem(options);
    await system.turnOn();
    await system.ingest();
    return system;
  };
  return { createTestSystem, startedSystem, runningSystem };
}

/** Delivers orders to the inbox. @returns their ids, sorted */
export function deliverOrders(system: TestSystem, count: number): string[] {
  return Array.from({ length: count }, (_, n) => system.gmail.deliver(order(n)).id).sort();
}

/** Makes scheduled runs with more time between them than any wait takes. */
export async function runCycles(system: TestSystem, count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    await system.pass(5 * 3600);
    await system.turnOn();
    await system.ingest({ trigger: 'schedule' });
  }
}

/** Starts a run in which calls of `method` are held. */
export async function startHeldRun(system: TestSystem, gate: CallGate, method: string) {
  gate.hold(system.gmail, method);
  const running = system.ingest();
  await gate.arrival();
  return { running };
}

/** The body of a Pub/Sub push for the current history id. */
export function notificationOf(system: TestSystem): unknown {
  const data = { emailAddress: system.gmail.emailAddress, historyId: system.gmail.historyId };
  return { message: { data: Buffer.from(JSON.stringify(data)).toString('base64'), messageId: '1' } };
}

/** The list jobs of a purpose, in the order in which they were planned. */
export async function listJobs(system: TestSystem, purpose: string) {
  return await system.rows(
    `select purpose, finished_at is not null as is_finished, error_code, restart_count
     from list_jobs
     where purpose = $1
     order by id`,
    [purpose],
  );
}
