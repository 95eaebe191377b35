/** CPU time of processes and of a whole PostgreSQL server, from /proc. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchDatabase } from './bench-database.ts';

/** Linux's clock tick, the unit of CPU time in /proc. */
const TICK_MS = 10;

interface Usage {
  readonly parent: number;
  /** User and system time of the process, and of its ended children. */
  readonly ownMs: number;
  readonly childrenMs: number;
}

/** User and system time of the process so far. */
export function cpuMsOf(pid: number): number {
  return usageOf(pid)?.ownMs ?? 0;
}

/** @returns null when the process has ended */
function usageOf(pid: number): Usage | null {
  try {
    // After the name in parentheses, which may contain spaces: the 2nd field is the parent, from the 12th on the times.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    const ticks = (...at: number[]) => at.reduce((sum, index) => sum + Number(fields[index]), 0);
    return { parent: Number(fields[1]), ownMs: ticks(11, 12) * TICK_MS, childrenMs: ticks(13, 14) * TICK_MS };
  } catch {
    return null;
  }
}

/** User and system time of all processes of the server so far, ended ones included. */
export async function postgresCpuMs(db: BenchDatabase): Promise<number> {
  const [{ folder }] = await db.rows("select current_setting('data_directory') as folder");
  const server = Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0]);
  const own = usageOf(server);
  let totalMs = (own?.ownMs ?? 0) + (own?.childrenMs ?? 0);
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const usage = usageOf(Number(name));
    if (usage?.parent === server) totalMs += usage.ownMs;
  }
  return totalMs;
}
