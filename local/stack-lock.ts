/** One local stack for each data folder: a second one would stop the first one's database. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * @returns gives the folder free again
 * @throws {Error} naming the process that uses the folder; a lock left by a killed process is taken over
 */
export function lockFolder(path: string): () => void {
  mkdirSync(dirname(path), { recursive: true });
  const holder = readHolder(path);
  if (holder !== null && holder !== process.pid && isAlive(holder)) {
    throw new Error(
      `The local stack runs already (process ${holder}). Stop it with Ctrl-C or \`kill ${holder}\`, ` +
        'or give this one data of its own with LOCAL_DATA_DIR.',
    );
  }
  writeFileSync(path, `${process.pid}\n`);
  return () => {
    if (readHolder(path) === process.pid) rmSync(path, { force: true });
  };
}

function readHolder(path: string): number | null {
  try {
    return Number(readFileSync(path, 'utf8')) || null;
  } catch {
    return null;
  }
}

/** A number may have been given to another program since: only a Node process can be a stack. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('start.ts');
  } catch {
    // No /proc on this system: alive is all that can be known.
    return true;
  }
}
