/**
 * The progress of a parsing process, in a file of three doubles. It can be read while the process hangs, and after
 * it has died.
 */
import { readFileSync, writeSync } from 'node:fs';

export interface Place {
  /** Of the mail. */
  readonly number: number;
  /** Mails begun by this process. */
  readonly begun: number;
  /** False while the mail is being made: what happens then is the fuzz's own fault. */
  readonly isMade: boolean;
}

const BYTES = 24;

export function writePlace(file: number, { number, begun, isMade }: Place): void {
  writeSync(file, Float64Array.of(number, begun, isMade ? 1 : 0), 0, BYTES, 0);
}

/** Null while nothing has been begun. */
export function readPlace(path: string): Place | null {
  try {
    const bytes = readFileSync(path);
    if (bytes.length < BYTES) return null;
    return {
      number: bytes.readDoubleLE(0),
      begun: bytes.readDoubleLE(8),
      isMade: bytes.readDoubleLE(16) === 1,
    };
  } catch {
    return null;
  }
}
