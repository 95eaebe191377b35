/** Starts and drives `ingest-process.ts`: runs of ingest whose time, CPU and memory are its own, and no other's. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RunCounts, Trigger } from '../../shared/db/runs.ts';

export interface IngestOrder {
  /** Calls in flight, held there; null: felt for, as in production. */
  readonly inFlight: number | null;
  readonly trigger: Trigger;
  /** Of one run; half an hour unless given. */
  readonly budgetMs?: number;
}

export interface IngestTaken {
  readonly outcome: string;
  readonly counts: RunCounts;
  readonly error: string | null;
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Highest resident memory of the process so far. */
  readonly peakMemoryBytes: number;
}

export interface IngestProcess {
  readonly pid: number;
  /** An idle scheduled run: what a warm instance has behind it. */
  warmUp(): Promise<void>;
  run(): Promise<IngestTaken>;
  /** In order, so that a profile is written. */
  close(): Promise<void>;
}

/** @param nodeArguments for Node itself: `--cpu-prof` and its like */
export async function startIngest(
  env: Record<string, string>,
  order: IngestOrder,
  nodeArguments: readonly string[] = [],
): Promise<IngestProcess> {
  const program = join(import.meta.dirname, 'ingest-process.ts');
  const child: ChildProcess & { stdin: NonNullable<ChildProcess['stdin']> } = spawn(
    process.execPath,
    [...nodeArguments, program, JSON.stringify(order)],
    {
      env: { PATH: process.env['PATH'] ?? '', DB_POOL_SIZE: '4', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  if (child.stdout === null) throw new Error('The process has no output.');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error('The process of ingest ended.');
    return value;
  };
  await next();
  return {
    pid: child.pid ?? 0,
    warmUp: async () => {
      child.stdin.write('warm-up\n');
      await next();
    },
    run: async () => {
      child.stdin.write('run\n');
      return JSON.parse(await next()) as IngestTaken;
    },
    close: async () => {
      const exited = once(child, 'exit');
      child.stdin.end();
      await exited;
    },
  };
}
