/** Persistence of the jobs between runs of the emulator. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Job } from './job.ts';

/** Synchronous, because jobs change a few times per minute and a crash must not lose a pause. */
export interface JobStore {
  load(): Job[];
  save(jobs: Job[]): void;
}

/** Saves nothing: all jobs are lost when the process ends. */
export const memoryStore: JobStore = { load: () => [], save: () => {} };

/**
 * Stores the jobs in a JSON file, which is created if it is missing.
 * `load` throws on an unreadable file, because starting without jobs would silently lose a pause.
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
      // Write to a temporary file and rename, so a crash never leaves a partial file.
      writeFileSync(`${path}.new`, `${JSON.stringify({ jobs }, null, 2)}\n`);
      renameSync(`${path}.new`, path);
    },
  };
}
