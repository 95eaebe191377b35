/**
 * One call to Gmail: a token, the request, the body read under a watch, the answer checked. No retries here.
 * What must stay true: every wait is bounded, and a large body is not read before `onLarge` allows it.
 */
import type * as z from 'zod/mini';
import type { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import type { Access } from './access.ts';
import { type FailedAnswer, fromGmailAnswer, noAnswer } from './gmail-error.ts';
import { type PlainAnswer, sendPlainly } from './plain-http.ts';
import type { GmailMethod } from './prices.ts';

/** From the request to the headers of the answer. */
const HEADERS_TIMEOUT_MS = 20_000;
/** Between two pieces of a body. */
const IDLE_TIMEOUT_MS = 15_000;
/** Bodies above it are read one at a time: 32 below it, called for or fetched, fit beside a large one in 512 MiB. */
export const LARGE_BODY_BYTES = 1024 * 1024;

const GOOGLE_ROOT_URL = 'https://gmail.googleapis.com/';

/** Where calls go, and with what. */
export interface Connection {
  readonly access: Access;
  /** Null means Google's. */
  readonly rootUrl: string | null;
}

export interface GmailRequest {
  /** Below the mailbox. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | readonly string[]>>;
  /** Makes it a POST; null is one without a body. */
  readonly post?: object | null;
  /** Gzip takes a tenth of a list. It takes a quarter off a raw message, base64 of base64, and more time than that is worth. */
  readonly isUncompressed?: true;
}

export interface Call<T> {
  readonly method: GmailMethod;
  readonly request: GmailRequest;
  readonly schema: z.ZodMiniType<T>;
  readonly deadline: Deadline;
  /** An answer without a body counts as an empty object. */
  readonly mayBeEmpty?: true;
  /** Awaited before more than `LARGE_BODY_BYTES` of the body are held. */
  readonly onLarge?: () => Promise<void>;
}

/** @throws {AppError} */
export async function callGmail<T>(connection: Connection, call: Call<T>): Promise<T> {
  const first = await attempt(connection, call);
  if (!('failed' in first)) return first.value;
  if (first.failed.status !== 401) throw fromGmailAnswer(call.method, first.failed);
  // The token may have been revoked or have expired by Google's clock: once more with a fresh one.
  connection.access.dropToken(first.token);
  const second = await attempt(connection, call);
  if ('failed' in second) throw fromGmailAnswer(call.method, second.failed);
  return second.value;
}

async function attempt<T>(
  { access, rootUrl }: Connection,
  call: Call<T>,
): Promise<{ readonly value: T } | { readonly failed: FailedAnswer; readonly token: string }> {
  if (call.deadline.remainingMs() === 0) throw outOfTime(call.method);
  const token = await access.ensureToken(call.deadline);
  const watch = new Watch(call.deadline);
  try {
    watch.arm(HEADERS_TIMEOUT_MS);
    const answer = await send(call.request, {
      rootUrl: rootUrl ?? GOOGLE_ROOT_URL,
      token,
      signal: watch.signal,
    });
    const body = await readBody(answer, watch, call.onLarge);
    if (answer.status < 200 || answer.status > 299) {
      return {
        failed: {
          status: answer.status,
          body: body.toString('utf8', 0, 16_384),
          retryAfter: answer.headers['retry-after'] ?? null,
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

async function send(
  { path, query = {}, post, isUncompressed }: GmailRequest,
  at: { readonly rootUrl: string; readonly token: string; readonly signal: AbortSignal },
): Promise<PlainAnswer> {
  const url = new URL(`/gmail/v1/users/me/${path}`, at.rootUrl);
  for (const [name, value] of Object.entries(query))
    for (const one of [value].flat()) url.searchParams.append(name, String(one));
  // A plus is a blank in forms; in addresses not everywhere.
  url.search = url.search.replaceAll('+', '%20');
  return await sendPlainly({
    url,
    method: post === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${at.token}`,
      'accept-encoding': isUncompressed ? 'identity' : 'gzip',
      // Google compresses for those alone who say it here too.
      'user-agent': 'email-monitor (gzip)',
      ...(post ? { 'content-type': 'application/json' } : {}),
    },
    ...(post ? { body: JSON.stringify(post) } : {}),
    signal: at.signal,
  });
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
  answer: PlainAnswer,
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
  const declaredBytes = Number(answer.headers['content-length'] ?? 0);
  if (declaredBytes > LARGE_BODY_BYTES) await allow();
  const chunks: Buffer[] = [];
  let readBytes = 0;
  watch.arm(IDLE_TIMEOUT_MS);
  // A body that is shorter than declared, or cut in its chunks or its compression, ends as an error here.
  for await (const chunk of answer.body) {
    chunks.push(chunk as Buffer);
    readBytes += (chunk as Buffer).length;
    if (readBytes > LARGE_BODY_BYTES) await allow();
    watch.arm(IDLE_TIMEOUT_MS);
  }
  return Buffer.concat(chunks);
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
