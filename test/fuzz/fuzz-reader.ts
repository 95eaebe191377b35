/**
 * One process of the fuzzer: it makes, parses and checks its share of the emails. Before each email it writes the number to a
 * file, which survives a crash of the process.
 */
import { hash } from 'node:crypto';
import { openSync } from 'node:fs';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { faultsOf, summaryOf } from './fuzz-checks.ts';
import { loadStarts } from './fuzz-starts.ts';
import { mutatedMail } from './mutators.ts';
import { writePlace } from './place.ts';

export interface ReaderOrder {
  readonly seed: number;
  readonly corpus: string | null;
  readonly first: number;
  readonly end: number;
  readonly step: number;
  /** Where the place is noted: see `place.ts`. */
  readonly placePath: string;
}

export interface ReaderMessage {
  readonly fault?: { readonly number: number; readonly what: string };
  readonly slowest?: Slowest;
  readonly peakMemoryBytes?: number;
}

export interface Slowest {
  readonly number: number;
  readonly cpuMs: number;
  readonly bytes: number;
}

/** One mail in so many is read twice. */
const TWICE_EVERY = 16;
/** Processor time: what else runs on the machine does not count. A megabyte takes some 50 ms. */
const SLOW_MS = 1_000;
/** Buffers that one reading may leave behind, used or not: the mail a few times over, and 32 MB of RTF. */
const MAX_BUFFER_GROWTH = 20;
const BUFFER_ALLOWANCE_BYTES = 48 * 1024 * 1024;
/** Looking for the type of a file takes some 60 KB, given back at the next collection. */
const BUFFER_BYTES_A_FILE = 128 * 1024;

async function work(order: ReaderOrder, say: (message: ReaderMessage) => void): Promise<void> {
  const starts = await loadStarts(order.corpus);
  const placeFile = openSync(order.placePath, 'w');
  let slowestMs = 0;
  let begun = 0;
  for (let number = order.first; number < order.end; number += order.step) {
    begun += 1;
    writePlace(placeFile, { number, begun, isMade: false });
    const { bytes } = mutatedMail(starts.mails, order.seed, number);
    writePlace(placeFile, { number, begun, isMade: true });
    const { faults, cpuMs } = await readAndCheck(bytes, number % TWICE_EVERY === 0);
    for (const what of faults) say({ fault: { number, what } });
    if (cpuMs > slowestMs) {
      slowestMs = cpuMs;
      say({ slowest: { number, cpuMs, bytes: bytes.length } });
    }
  }
  say({ peakMemoryBytes: process.resourceUsage().maxRSS * 1024 });
}

async function readAndCheck(
  bytes: Buffer,
  isReadTwice: boolean,
): Promise<{ faults: string[]; cpuMs: number }> {
  const before = hash('sha256', bytes, 'hex');
  const buffersBefore = process.memoryUsage().arrayBuffers;
  const startedAt = process.threadCpuUsage();
  try {
    const email = await parseEmail(bytes);
    const { user, system } = process.threadCpuUsage(startedAt);
    const cpuMs = (user + system) / 1_000;
    const grown = process.memoryUsage().arrayBuffers - buffersBefore;
    const faults = faultsOf(email, bytes.length);
    if (cpuMs > SLOW_MS) faults.push(`took ${cpuMs.toFixed(0)} ms`);
    const most = bytes.length * MAX_BUFFER_GROWTH + BUFFER_ALLOWANCE_BYTES;
    if (grown > most + email.attachments.length * BUFFER_BYTES_A_FILE) {
      faults.push(`left buffers of ${grown} bytes behind`);
    }
    if (isReadTwice && summaryOf(await parseEmail(bytes)) !== summaryOf(email)) {
      faults.push('a second reading gives something else');
    }
    if (hash('sha256', bytes, 'hex') !== before) faults.push('the reader wrote into the mail');
    return { faults, cpuMs };
  } catch (error) {
    return { faults: [`rejected: ${error instanceof Error ? error.stack : error}`], cpuMs: 0 };
  }
}

await work(JSON.parse(process.argv[2] ?? '{}'), (message) => process.send?.(message));
// The process ends once all messages are sent.
process.disconnect?.();
