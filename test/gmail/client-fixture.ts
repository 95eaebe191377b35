/** A Gmail client under test. Its waits, quota units and callbacks are recorded; every wait ends immediately. */
import { Deadline } from '../../shared/deadline.ts';
import { AppError } from '../../shared/errors.ts';
import { type CallContext, createGmailClient, type GmailClient } from '../../shared/gmail/gmail-client.ts';

/** No error of the client may contain any of these. */
export const credentials = {
  clientId: 'hush-client-id',
  clientSecret: 'hush-client-secret',
  refreshToken: 'hush-refresh-token',
};
export const ACCESS_TOKEN = 'hush-access-token';
/** Appears in the texts of Google's errors and in messages. */
export const MAIL_CONTENT = 'hush-order-4711';

export interface ClientFixture {
  readonly client: GmailClient;
  readonly context: CallContext;
  /** Milliseconds that the client wanted to wait between attempts. */
  readonly waits: number[];
  /** Quota units, one entry per attempt that acquired them. */
  readonly units: number[];
  rateLimitedCount: number;
  successCount: number;
  credentialsRejectedCount: number;
}

export interface ClientFixtureOptions {
  readonly rootUrl?: string;
  readonly tokenUrl?: string;
  readonly deadline?: Deadline;
  readonly acquireUnits?: (units: number) => Promise<void>;
}

/** Creates a client that uses Google's own addresses unless others are given. */
export function createClientFixture(options: ClientFixtureOptions = {}): ClientFixture {
  const fixture: ClientFixture = {
    client: createGmailClient({
      access: { kind: 'refresh_token', credentials },
      rootUrl: options.rootUrl ?? null,
      tokenUrl: options.tokenUrl ?? null,
      random: () => 0.5,
      sleep: async (ms) => {
        fixture.waits.push(ms);
      },
      onCredentialsRejected: () => {
        fixture.credentialsRejectedCount += 1;
      },
    }),
    context: {
      deadline: options.deadline ?? Deadline.after(600_000),
      acquireUnits: async (units) => {
        fixture.units.push(units);
        await options.acquireUnits?.(units);
      },
      onRateLimited: () => {
        fixture.rateLimitedCount += 1;
      },
      onSuccess: () => {
        fixture.successCount += 1;
      },
    },
    waits: [],
    units: [],
    rateLimitedCount: 0,
    successCount: 0,
    credentialsRejectedCount: 0,
  };
  return fixture;
}

/** Returns the error that a call ends with. @throws {Error} when the error contains a secret or mail content */
export async function errorOf(call: Promise<unknown>): Promise<AppError> {
  const error = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof AppError))
    throw new Error('The call did not end with an AppError.', { cause: error });
  const text = `${error.message} ${JSON.stringify(error)} ${error.remediation} ${error.title}`;
  if (text.includes('hush')) throw new Error(`The error contains a secret: ${text}`);
  return error;
}

export async function neverLarge(): Promise<void> {
  throw new Error('The answer was not expected to be large.');
}
