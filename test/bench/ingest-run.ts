/** Starts and controls `ingest-process.ts`, which measures time, CPU and memory of ingest runs in its own process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RunCounts, Trigger } from '../../shared/db/runs.ts';

export interface IngestSettings {
  /** Fixed number of calls in flight; null for the adaptive limit of production. */
  readonly inFlight: number | null;
  readonly trigger: Trigger;
  /** Budget of one run. Defaults to about half an hour. */
  readonly budgetMs?: number;
}

export interface RunMeasurement {
  readonly outcome: string;
  readonly counts: RunCounts;
  readonly error: string | null;
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Peak resident memory of the process so far. */
  readonly peakMemoryBytes: number;
}

export interface IngestProcess {
  readonly pid: number;
  /** Makes an idle scheduled run, so that the instance is warm. */
  warmUp(): Promise<void>;
  run(): Promise<RunMeasurement>;
  /** Ends the process normally, so that Node writes a profile. */
  close(): Promise<void>;
}

/** @param nodeArguments options of Node, such as `--cpu-prof` */
export async function startIngest(
  env: Record<string, string>,
  settings: IngestSettings,
  nodeArguments: readonly string[] = [],
): Promise<IngestProcess> {
  const program = join(import.meta.dirname, 'ingest-process.ts');
  const child: ChildProcess & { stdin: NonNullable<ChildProcess['stdin']> } = spawn(
    process.execPath,
    [...nodeArguments, program, JSON.stringify(settings)],
    {
      env: { PATH: process.env['PATH'] ?? '', DB_POOL_SIZE: '4', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  if (child.stdout === null) throw new Error('The process has no stdout.');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error('The ingest process ended.');
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
      return JSON.parse(await next()) as RunMeasurement;
    },
    close: async () => {
      const exited = once(child, 'exit');
      child.stdin.end();
      await exited;
    },
  };
}
