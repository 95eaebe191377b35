/** Where the emulator keeps its jobs between two starts of the local stack. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Job } from './job.ts';

/** Small and synchronous: a job changes a few times a minute, and a crash must not lose a pause. */
export interface JobStore {
  load(): Job[];
  save(jobs: Job[]): void;
}

/** Forgets everything at the end of the process. */
export const memoryStore: JobStore = { load: () => [], save: () => {} };

/**
 * Jobs in a JSON file that need not exist yet.
 * `load` throws on a file that is not ours: starting empty would silently resume what was paused.
 */
export function jsonFileStore(path: string): JobStore {
  return {
    load() {
      try {
        return (JSON.parse(readFileSync(path, 'utf8')) as { jobs: Job[] }).jobs;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
        throw new Error(`Cannot read the scheduler's jobs in ${path}`, { cause: error });
      }
    },
    save(jobs) {
      mkdirSync(dirname(path), { recursive: true });
      // Written beside and renamed: a reader sees the old file or the new one, never half of one.
      writeFileSync(`${path}.new`, `${JSON.stringify({ jobs }, null, 2)}\n`);
      renameSync(`${path}.new`, path);
    },
  };
}
