/**
 * One authorized request to Gmail by googleapis: gets a token, sends the request, reads the body and validates it.
 * Does not retry.
 * Invariant: every wait is bounded by its own timeout and by the deadline.
 */
import type { Readable } from 'node:stream';
import type { gaxios } from 'google-auth-library';
import type { gmail_v1 } from 'googleapis/build/src/apis/gmail/v1.js';
import type * as z from 'zod/mini';
import type { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import type { MailboxAccess } from '../mailbox-access.ts';
import { createAccessTokens } from './access-tokens.ts';
import { noAnswer, toGmailError } from './gmail-error.ts';
import { loadGoogleLibrary, REQUEST_OPTIONS, rootCause } from './google-library.ts';
import type { AccessTokens, TokenUrls } from './grant.ts';
import type { GmailMethod } from './quota-costs.ts';
import { CallTimeout, readBody } from './response-body.ts';

/** From the request to the first byte of the answer. */
const FIRST_BYTE_TIMEOUT_MS = 10_000;
/** Enough of an error body to contain its reason. */
const MAX_ERROR_CHARACTERS = 16_384;

export interface Connection {
  readonly tokens: AccessTokens;
  readonly users: gmail_v1.Resource$Users;
}

export type SendOptions = gaxios.GaxiosOptions & { readonly responseType: 'stream' };

/** What a method of googleapis resolves to with `responseType: 'stream'`. */
export interface StreamAnswer {
  readonly status: number;
  readonly headers: object;
  /** An empty string for a 204: the library returns no stream when it expects no body. */
  readonly data: Readable | '';
}

export interface GmailCall<T> {
  readonly method: GmailMethod;
  readonly send: (users: gmail_v1.Resource$Users, options: SendOptions) => Promise<StreamAnswer>;
  readonly schema: z.ZodMiniType<T>;
  /**
   * A raw message: the units of the first attempt are reserved with its batch. The answer is ASCII and is requested without gzip,
   * which shrinks lists well, but hardly pays for base64 of base64.
   */
  readonly isRaw?: true;
  /** Awaited before more than 1 MiB of the body is held. */
  readonly onLarge?: () => Promise<void>;
}

export interface GmailAnswer {
  readonly status: number;
  /** The Retry-After header. */
  readonly retryAfter: string | null;
  readonly body: Buffer;
  /** The access token of the request. */
  readonly token: string;
}

/** @param urls null for Google's */
export async function connect(
  access: MailboxAccess,
  urls: TokenUrls & { readonly rootUrl: string | null },
): Promise<Connection> {
  const { gmail_v1 } = await loadGoogleLibrary();
  const tokens = await createAccessTokens(access, urls);
  const { users } = new gmail_v1.Gmail(urls.rootUrl === null ? {} : { rootUrl: urls.rootUrl });
  return { tokens, users };
}

/**
 * Sends the request. Returns the answer whatever its status.
 *
 * @throws {AppError} gmail_unavailable without a complete answer, out_of_time, any code of the token endpoint
 */
export async function sendRequest<T>(
  { tokens, users }: Connection,
  call: GmailCall<T>,
  deadline: Deadline,
): Promise<GmailAnswer> {
  // The header is set here, so that the caller knows which token a 401 rejects.
  const token = await tokens.getToken(deadline);
  const timeout = new CallTimeout(deadline);
  try {
    timeout.start(FIRST_BYTE_TIMEOUT_MS);
    const { status, headers, data } = await call.send(users, {
      ...REQUEST_OPTIONS,
      headers: { authorization: `Bearer ${token}` },
      responseType: 'stream',
      signal: timeout.signal,
      ...(call.isRaw ? { adapter: sendUncompressed } : {}),
    });
    const declaredBytes = Number(readHeader(headers, 'content-length') ?? 0);
    const onLarge = call.onLarge ?? null;
    const body = data === '' ? Buffer.alloc(0) : await readBody(data, timeout, { declaredBytes, onLarge });
    return { status, retryAfter: readHeader(headers, 'retry-after'), body, token };
  } catch (error) {
    if (error instanceof AppError) throw error;
    if (timeout.isOutOfTime || deadline.remainingMs() === 0)
      throw new AppError('out_of_time', `${call.method}: no time left.`);
    const problem = timeout.signal.aborted ? 'timed out' : 'connection failed or answer cut';
    throw noAnswer(call.method, problem, rootCause(error));
  } finally {
    timeout.pause();
  }
}

/**
 * googleapis makes a plain object of headers that are instances of the global Headers, and passes others on. Its HTTP client uses
 * those of node-fetch, which are global only in the build (`commands/build/lighter-google-packages.ts`).
 */
function readHeader(headers: object, name: string): string | null {
  if ('get' in headers && typeof headers.get === 'function') return headers.get(name);
  return (headers as Readonly<Record<string, string>>)[name] ?? null;
}

/** googleapis always requests gzip. Only an adapter can change that. */
const sendUncompressed: NonNullable<SendOptions['adapter']> = async (request, send) => {
  request.headers.set('accept-encoding', 'identity');
  return await send(request);
};

/** @throws {AppError} the error that the status means; gmail_unavailable for a body of another form */
export function readAnswer<T>({ isRaw, method, schema }: GmailCall<T>, answer: GmailAnswer): T {
  const { status, retryAfter, body } = answer;
  if (status < 200 || status > 299) {
    throw toGmailError(method, { status, retryAfter, body: body.toString('utf8', 0, MAX_ERROR_CHARACTERS) });
  }
  const checked = schema.safeParse(parseJson(method, body, isRaw ? 'latin1' : 'utf8'));
  if (checked.success) return checked.data;
  const path = checked.error.issues[0]?.path.join('.') || 'answer';
  throw noAnswer(method, `the response has no valid "${path}"`);
}

/** @param encoding `latin1` for ASCII: decoding one byte per character halves the memory of a large answer */
function parseJson(method: GmailMethod, body: Buffer, encoding: 'latin1' | 'utf8'): unknown {
  // `stop` answers with an empty body.
  if (body.length === 0 && method === 'users.stop') return {};
  try {
    return JSON.parse(body.toString(encoding));
  } catch (error) {
    throw noAnswer(method, 'the answer is not JSON', error);
  }
}
