/**
 * Reads an email so that the event loop answers meanwhile: a large one in a thread of its own. Called by `ingest` and by
 * `reprocess`. Invariant: whatever the email does to its thread, the caller gets an email to store.
 */

import { Worker } from 'node:worker_threads';
import { ParseBudgetExceeded } from './parse-budget.ts';
import { parseEmail, unreadEmail } from './parse-email.ts';
import type { ParsedEmail } from './parsed-email.ts';

/** Up to here a reading takes less than a tenth of a second; a thread takes half of that to begin. */
const LARGE_BYTES = 1024 * 1024;
/** Wall clock. The reader's own budget of processor time ends long before, unless one step of it hangs. */
const MAX_WAIT_MS = 30_000;
/** Of the thread's JavaScript heap; files are outside of it. */
const MAX_HEAP_MB = 256;

// The build writes the thread's file beside the functions.
const WORKER_FILE = import.meta.url.endsWith('.ts') ? './parse-worker.ts' : './parse-worker.mjs';

/** As `parseEmail`. `raw` stays as it is. */
export async function parseOffThread(raw: Uint8Array): Promise<ParsedEmail> {
  return raw.length <= LARGE_BYTES ? await parseEmail(raw) : await parseInWorker(raw);
}

/**
 * Reads an email in a thread of its own, whatever its size. A thread that fails, hangs or takes too much memory gives the
 * defect `parse_budget_exceeded`.
 */
export async function parseInWorker(raw: Uint8Array, maxWaitMs = MAX_WAIT_MS): Promise<ParsedEmail> {
  // A copy, which the thread may keep or hand back in its files: the caller's bytes are still to be stored.
  const copy = new Uint8Array(raw);
  const worker = new Worker(new URL(WORKER_FILE, import.meta.url), {
    workerData: copy,
    transferList: [copy.buffer],
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
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
