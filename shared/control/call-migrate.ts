/**
 * The request to the deployed function `migrate`, with an identity token of this function's service account.
 * https://cloud.google.com/run/docs/authenticating/service-to-service
 */
import { AppError } from '../errors.ts';
import { withTimeout } from '../timeout.ts';

/** Above the longest statement of a migration. The request stays open, because `migrate` has CPU only while it does. */
const TIMEOUT_MS = 300_000;
const TOKEN_TIMEOUT_MS = 20_000;
const DETAIL_LENGTH = 300;

/**
 * @param url of the service; also the audience of the token
 * @returns the number of migrations that the call applied
 * @throws {AppError} migration_running, migrate_unavailable
 */
export async function callMigrate(url: string): Promise<number> {
  const token = await fetchIdToken(url);
  const { status, text } = await post(url, token);
  const { applied, code, detail } = members(text);
  if (status === 200 && Array.isArray(applied)) return applied.length;
  // 429: the only instance is busy.
  if (status === 429 || code === 'migration_running')
    throw new AppError('migration_running', 'migrate is busy with another call.');
  // Without a code, the answer is from Cloud Run itself.
  const reason = code === undefined ? '.' : ` ${code}: ${String(detail ?? '').slice(0, DETAIL_LENGTH)}`;
  throw new AppError('migrate_unavailable', `migrate answered ${status}${reason}`);
}

async function fetchIdToken(audience: string): Promise<string> {
  // Loaded late, because only an outdated schema needs it. Google's library sets no timeout on Cloud Run.
  const token = import('../google/auth.ts').then(
    async ({ Compute }) => await new Compute().fetchIdToken(audience),
  );
  try {
    return await withTimeout(TOKEN_TIMEOUT_MS, token, () => new Error('no answer'));
  } catch (cause) {
    throw new AppError('migrate_unavailable', `The metadata server gave no token: ${reasonOf(cause)}.`, {
      cause,
    });
  }
}

async function post(url: string, token: string): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { status: response.status, text: await response.text() };
  } catch (cause) {
    throw new AppError('migrate_unavailable', `migrate did not answer: ${reasonOf(cause)}.`, { cause });
  }
}

/** The network error code where there is one, for example ECONNREFUSED. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const { cause } = error;
  for (const one of [cause, error])
    if (one instanceof Error && 'code' in one && typeof one.code === 'string') return one.code;
  return error.message.slice(0, DETAIL_LENGTH);
}

/** Of the answer of `migrate` or its problem; none when it is not JSON. */
function members(text: string): { applied?: unknown; code?: unknown; detail?: unknown } {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
