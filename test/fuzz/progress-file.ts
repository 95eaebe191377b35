/**
 * The progress of a fuzz worker, in a file of three doubles. The parent process can read it while the worker hangs and
 * after the worker has crashed.
 */
import { readFileSync, writeSync } from 'node:fs';

export interface Progress {
  /** Number of the email. */
  readonly number: number;
  /** Emails that this process has started. */
  readonly startedCount: number;
  /** False while the worker mutates the email: a crash is then an error of the fuzzer. */
  readonly isMutated: boolean;
}

const BYTES = 24;

export function writeProgress(file: number, { number, startedCount, isMutated }: Progress): void {
  writeSync(file, Float64Array.of(number, startedCount, isMutated ? 1 : 0), 0, BYTES, 0);
}

/** @returns null before the first email */
export function readProgress(path: string): Progress | null {
  try {
    const bytes = readFileSync(path);
    if (bytes.length < BYTES) return null;
    return {
      number: bytes.readDoubleLE(0),
      startedCount: bytes.readDoubleLE(8),
      isMutated: bytes.readDoubleLE(16) === 1,
    };
  } catch {
    return null;
  }
}
