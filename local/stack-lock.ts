/** Allows one local stack per data folder: a second one would stop the first one's database. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = 'stack.pid';

/**
 * Takes over a lock that a killed process left behind.
 *
 * @returns releases the lock
 * @throws {Error} with the id of the process that uses the folder
 */
export function lockFolder(dataFolder: string): () => void {
  mkdirSync(dataFolder, { recursive: true });
  const path = join(dataFolder, FILE);
  const holder = readHolder(path);
  if (holder !== null && holder !== process.pid && isAlive(holder)) {
    throw new Error(
      `The local stack is already running (process ${holder}). Stop it with Ctrl-C or \`kill ${holder}\`, ` +
        'or set LOCAL_DATA_DIR to another folder for this one.',
    );
  }
  writeFileSync(path, `${process.pid}\n`);
  return () => {
    if (readHolder(path) === process.pid) rmSync(path, { force: true });
  };
}

/** True while a local stack uses the folder. */
export function isStackRunning(dataFolder: string): boolean {
  const holder = readHolder(join(dataFolder, FILE));
  return holder !== null && isAlive(holder);
}

function readHolder(path: string): number | null {
  try {
    return Number(readFileSync(path, 'utf8')) || null;
  } catch {
    return null;
  }
}

/** The process id may belong to another program by now, so its command line is checked as well. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('start.ts');
  } catch {
    // This system has no /proc, so the command line cannot be checked.
    return true;
  }
}
