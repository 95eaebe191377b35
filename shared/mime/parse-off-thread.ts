/**
 * Parses an email without blocking the event loop: a large email is parsed in a worker thread. Called by `ingest` and by
 * `reprocess`. Invariant: the caller gets an email to store, even when the worker fails.
 */

import { Worker } from 'node:worker_threads';
import { ParseBudgetExceeded } from './parse-budget.ts';
import { parseEmail, unreadEmail } from './parse-email.ts';
import type { ParsedEmail } from './parsed-email.ts';

/** A smaller email parses fast enough that starting a thread does not pay off. */
const LARGE_BYTES = 1024 * 1024;
/** Wall-clock time. The CPU budget of the parser ends earlier, unless a single step hangs. */
const MAX_WAIT_MS = 30_000;
/**
 * Limit of the worker's JavaScript heap; files are outside it. Small objects that fill it end the worker. Large ones may end
 * the whole process, so the limit is far above what the parser's own limits allow.
 */
const MAX_HEAP_MB = 256;

// The build writes the worker file next to the functions.
const WORKER_FILE = import.meta.url.endsWith('.ts') ? './parse-worker.ts' : './parse-worker.mjs';
const WORKER_URL = new URL(WORKER_FILE, import.meta.url);

/** Defaults, which tests replace. */
export interface WorkerLimits {
  readonly maxHeapMb: number;
  readonly maxWaitMs: number;
  readonly workerUrl: URL;
}

/** Same as `parseEmail`. `raw` is not modified. */
export async function parseOffThread(raw: Uint8Array): Promise<ParsedEmail> {
  return raw.length <= LARGE_BYTES ? await parseEmail(raw) : await parseInWorker(raw);
}

/**
 * Parses an email of any size in a worker thread. A worker that fails, hangs or exceeds its memory limit gives the
 * defect `parse_budget_exceeded`.
 */
export async function parseInWorker(
  raw: Uint8Array,
  { maxHeapMb = MAX_HEAP_MB, maxWaitMs = MAX_WAIT_MS, workerUrl = WORKER_URL }: Partial<WorkerLimits> = {},
): Promise<ParsedEmail> {
  // The worker takes ownership of a copy, because the caller still has to store its bytes.
  const copy = new Uint8Array(raw);
  const worker = new Worker(workerUrl, {
    workerData: copy,
    transferList: [copy.buffer],
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
  });
  const { promise, resolve } = Promise.withResolvers<ParsedEmail | null>();
  const timer = setTimeout(() => resolve(null), maxWaitMs);
  worker.once('message', (email: ParsedEmail) => resolve(email));
  worker.once('error', () => resolve(null));
  worker.once('exit', () => resolve(null));
  const email = await promise;
  clearTimeout(timer);
  await worker.terminate();
  return email === null ? await unreadEmail(Buffer.from(raw), new ParseBudgetExceeded()) : withBuffers(email);
}

function withBuffers(email: ParsedEmail): ParsedEmail {
  return {
    ...email,
    attachments: email.attachments.map((attachment) => ({
      ...attachment,
      content: Buffer.from(
        attachment.content.buffer,
        attachment.content.byteOffset,
        attachment.content.byteLength,
      ),
    })),
  };
}
