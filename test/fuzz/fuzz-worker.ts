/**
 * One process of the fuzzer. It mutates, parses and checks its share of the emails. Before each email it writes the number to a
 * file, which survives a crash of the process.
 */
import { hash } from 'node:crypto';
import { openSync } from 'node:fs';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { REJECTED, summaryOf, violationsOf } from './invariants.ts';
import { mutatedEmail } from './mutators.ts';
import { writeProgress } from './progress-file.ts';
import { loadSeedCorpus } from './seed-corpus.ts';

export interface WorkerTask {
  readonly seed: number;
  readonly corpus: string | null;
  readonly first: number;
  readonly end: number;
  readonly step: number;
  /** The worker writes its progress to this file: see `progress-file.ts`. */
  readonly progressPath: string;
}

export interface WorkerMessage {
  readonly violation?: { readonly number: number; readonly what: string };
  readonly slowest?: Slowest;
  readonly peakMemoryBytes?: number;
}

export interface Slowest {
  readonly number: number;
  readonly cpuMs: number;
  readonly bytes: number;
}

/** Every n-th email is parsed twice. */
const PARSE_TWICE_EVERY = 16;
/** CPU time, so that other processes on the machine do not count. */
const SLOW_CPU_MS = 1_000;
/** Limit of the buffers after one parse, including unused ones: several copies of the email, and 32 MB of RTF. */
const MAX_BUFFER_GROWTH = 20;
const BUFFER_ALLOWANCE_BYTES = 48 * 1024 * 1024;
/** Type detection allocates a buffer per file; the next garbage collection frees it. */
const BUFFER_BYTES_PER_FILE = 128 * 1024;

async function work(task: WorkerTask, send: (message: WorkerMessage) => void): Promise<void> {
  const corpus = await loadSeedCorpus(task.corpus);
  const progressFile = openSync(task.progressPath, 'w');
  let slowestMs = 0;
  let startedCount = 0;
  for (let number = task.first; number < task.end; number += task.step) {
    startedCount += 1;
    writeProgress(progressFile, { number, startedCount, isMutated: false });
    const { bytes } = mutatedEmail(corpus.emails, task.seed, number);
    writeProgress(progressFile, { number, startedCount, isMutated: true });
    const { violations, cpuMs } = await parseAndCheck(bytes, number % PARSE_TWICE_EVERY === 0);
    for (const what of violations) send({ violation: { number, what } });
    if (cpuMs > slowestMs) {
      slowestMs = cpuMs;
      send({ slowest: { number, cpuMs, bytes: bytes.length } });
    }
  }
  send({ peakMemoryBytes: process.resourceUsage().maxRSS * 1024 });
}

async function parseAndCheck(
  bytes: Buffer,
  isParsedTwice: boolean,
): Promise<{ violations: string[]; cpuMs: number }> {
  const before = hash('sha256', bytes, 'hex');
  const buffersBefore = process.memoryUsage().arrayBuffers;
  const startedAt = process.threadCpuUsage();
  try {
    const email = await parseEmail(bytes);
    const { user, system } = process.threadCpuUsage(startedAt);
    const cpuMs = (user + system) / 1_000;
    const grown = process.memoryUsage().arrayBuffers - buffersBefore;
    const violations = violationsOf(email, bytes.length);
    if (cpuMs > SLOW_CPU_MS) violations.push(`took ${cpuMs.toFixed(0)} ms`);
    const maxBytes = bytes.length * MAX_BUFFER_GROWTH + BUFFER_ALLOWANCE_BYTES;
    if (grown > maxBytes + email.attachments.length * BUFFER_BYTES_PER_FILE) {
      violations.push(`retained buffers of ${grown} bytes`);
    }
    if (isParsedTwice && summaryOf(await parseEmail(bytes)) !== summaryOf(email)) {
      violations.push('a second parse returned a different result');
    }
    if (hash('sha256', bytes, 'hex') !== before) violations.push('the parser changed the input bytes');
    return { violations, cpuMs };
  } catch (error) {
    return { violations: [`${REJECTED}: ${error instanceof Error ? error.stack : error}`], cpuMs: 0 };
  }
}

await work(JSON.parse(process.argv[2] ?? '{}'), (message) => process.send?.(message));
// The process ends after it has sent all messages.
process.disconnect?.();
