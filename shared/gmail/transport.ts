/**
 * One call to Gmail: a token, the request, the body read under a watch, the answer checked. No retries here.
 * What must stay true: every wait is bounded, and a large body is not read before `onLarge` allows it.
 */
import type { Readable } from 'node:stream';
import type * as z from 'zod';
import type { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import type { Access } from './access.ts';
import { type FailedAnswer, fromGmailAnswer, noAnswer } from './gmail-error.ts';
import type { GmailMethod } from './prices.ts';

/** From the request to the headers of the answer. */
const HEADERS_TIMEOUT_MS = 20_000;
/** Between two pieces of a body. */
const IDLE_TIMEOUT_MS = 15_000;
/** Bodies above it are read one at a time: sixteen below it fit beside a large one in 512 MiB. */
export const LARGE_BODY_BYTES = 1024 * 1024;

/** What goes to the generated methods of googleapis as their options. */
export interface CallOptions {
  readonly responseType: 'stream';
  readonly signal: AbortSignal;
  readonly retry: false;
  readonly validateStatus: () => true;
}

export interface StreamedAnswer {
  readonly status: number;
  /** Of fetch, as things are; the generated methods also promise the form of node:http. */
  readonly headers: object;
  readonly data: Readable;
}

export interface Call<T> {
  readonly method: GmailMethod;
  readonly send: (options: CallOptions) => Promise<StreamedAnswer>;
  readonly schema: z.ZodType<T>;
  readonly deadline: Deadline;
  /** An answer without a body counts as an empty object. */
  readonly mayBeEmpty?: true;
  /** Awaited before more than `LARGE_BODY_BYTES` of the body are held. */
  readonly onLarge?: () => Promise<void>;
}

/** @throws {AppError} */
export async function callGmail<T>(access: Access, call: Call<T>): Promise<T> {
  const first = await attempt(access, call);
  if (!('failed' in first)) return first.value;
  if (first.failed.status !== 401) throw fromGmailAnswer(call.method, first.failed);
  // The token may have been revoked or have expired by Google's clock: once more with a fresh one.
  access.dropToken(first.token);
  const second = await attempt(access, call);
  if ('failed' in second) throw fromGmailAnswer(call.method, second.failed);
  return second.value;
}

async function attempt<T>(
  access: Access,
  call: Call<T>,
): Promise<{ readonly value: T } | { readonly failed: FailedAnswer; readonly token: string }> {
  if (call.deadline.remainingMs() === 0) throw outOfTime(call.method);
  const token = await access.ensureToken(call.deadline);
  const watch = new Watch(call.deadline);
  try {
    watch.arm(HEADERS_TIMEOUT_MS);
    const answer = await call.send({
      responseType: 'stream',
      signal: watch.signal,
      retry: false,
      validateStatus: () => true,
    });
    const body = await readBody(answer, watch, call.onLarge);
    if (answer.status < 200 || answer.status > 299) {
      return {
        failed: {
          status: answer.status,
          body: body.toString('utf8', 0, 16_384),
          retryAfter: header(answer, 'retry-after'),
        },
        token,
      };
    }
    return { value: parse(call, body) };
  } catch (error) {
    if (error instanceof AppError) throw error;
    if (call.deadline.remainingMs() === 0) throw outOfTime(call.method);
    throw noAnswer(
      call.method,
      watch.signal.aborted ? 'timed out' : 'connection failed or answer cut',
      error,
    );
  } finally {
    watch.disarm();
  }
}

function outOfTime(method: GmailMethod): AppError {
  return new AppError('out_of_time', `${method}: no time left.`);
}

function parse<T>(call: Call<T>, body: Buffer): T {
  let json: unknown;
  try {
    // One byte a character whatever the body holds, half the memory of a large answer. All that we read is ASCII.
    json = body.length === 0 && call.mayBeEmpty ? {} : JSON.parse(body.toString('latin1'));
  } catch (error) {
    throw noAnswer(call.method, 'the answer is not JSON', error);
  }
  const checked = call.schema.safeParse(json);
  if (!checked.success) {
    const where = checked.error.issues[0]?.path.join('.') || 'answer';
    throw noAnswer(call.method, `the answer lacks or garbles "${where}"`);
  }
  return checked.data;
}

async function readBody(
  answer: StreamedAnswer,
  watch: Watch,
  onLarge: (() => Promise<void>) | undefined,
): Promise<Buffer> {
  let isAllowed = onLarge === undefined;
  const allow = async () => {
    if (isAllowed) return;
    isAllowed = true;
    watch.disarm();
    await onLarge?.();
  };
  const declaredBytes = Number(header(answer, 'content-length') ?? 0);
  if (declaredBytes > LARGE_BODY_BYTES) await allow();
  const chunks: Buffer[] = [];
  let readBytes = 0;
  watch.arm(IDLE_TIMEOUT_MS);
  // A body that is shorter than declared, or cut in its chunks or its compression, ends as an error here.
  for await (const chunk of answer.data) {
    chunks.push(chunk as Buffer);
    readBytes += (chunk as Buffer).length;
    if (readBytes > LARGE_BODY_BYTES) await allow();
    watch.arm(IDLE_TIMEOUT_MS);
  }
  return Buffer.concat(chunks);
}

function header({ headers }: StreamedAnswer, name: string): string | null {
  if (headers instanceof Headers) return headers.get(name);
  if ('get' in headers && typeof headers.get === 'function') return headers.get(name) as string | null;
  const value: unknown = name in headers ? headers[name as keyof typeof headers] : null;
  return typeof value === 'string' ? value : null;
}

/** Aborts the call when what it waits for does not come in time, or when the deadline passes. */
class Watch {
  readonly #controller = new AbortController();
  readonly #deadline: Deadline;
  #timer: NodeJS.Timeout | undefined;

  constructor(deadline: Deadline) {
    this.#deadline = deadline;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  arm(ms: number): void {
    this.disarm();
    this.#timer = setTimeout(() => this.#controller.abort(), Math.min(ms, this.#deadline.remainingMs()));
  }

  disarm(): void {
    clearTimeout(this.#timer);
  }
}
