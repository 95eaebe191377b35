/** A Gmail client under test, whose waits, quota units and rate limits are recorded instead of happening. */
import { Deadline } from '../../shared/deadline.ts';
import { AppError } from '../../shared/errors.ts';
import { type CallContext, createGmailClient, type GmailClient } from '../../shared/gmail/gmail-client.ts';

/** Nothing of these may be seen in what the client says. */
export const credentials = {
  clientId: 'hush-client-id',
  clientSecret: 'hush-client-secret',
  refreshToken: 'hush-refresh-token',
};
export const ACCESS_TOKEN = 'hush-access-token';
/** Stands in the texts of Google's faults and in mails. */
export const MAIL_CONTENT = 'hush-order-4711';

export interface ClientBench {
  readonly client: GmailClient;
  readonly context: CallContext;
  /** Milliseconds that the client wanted to wait between attempts. */
  readonly waits: number[];
  /** Quota units, one entry per attempt that asked for them. */
  readonly units: number[];
  rateLimitedCount: number;
  successCount: number;
  credentialsRefusedCount: number;
}

export interface BenchOptions {
  readonly rootUrl?: string;
  readonly tokenUrl?: string;
  readonly deadline?: Deadline;
  readonly acquireUnits?: (units: number) => Promise<void>;
}

/** On Google's own addresses unless others are given. Every wait is over at once. */
export function benchClient(options: BenchOptions = {}): ClientBench {
  const bench: ClientBench = {
    client: createGmailClient({
      credentials,
      rootUrl: options.rootUrl ?? null,
      tokenUrl: options.tokenUrl ?? null,
      random: () => 0.5,
      sleep: async (ms) => {
        bench.waits.push(ms);
      },
      onCredentialsRefused: () => {
        bench.credentialsRefusedCount += 1;
      },
    }),
    context: {
      deadline: options.deadline ?? Deadline.after(600_000),
      acquireUnits: async (units) => {
        bench.units.push(units);
        await options.acquireUnits?.(units);
      },
      onRateLimited: () => {
        bench.rateLimitedCount += 1;
      },
      onSuccess: () => {
        bench.successCount += 1;
      },
    },
    waits: [],
    units: [],
    rateLimitedCount: 0,
    successCount: 0,
    credentialsRefusedCount: 0,
  };
  return bench;
}

/** The fault that a call ends with; what it says is searched for what must not be said. */
export async function faultOf(call: Promise<unknown>): Promise<AppError> {
  const error = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof AppError))
    throw new Error('The call did not end with a fault of ours.', { cause: error });
  const said = `${error.message} ${JSON.stringify(error)} ${error.remediation} ${error.title}`;
  if (said.includes('hush')) throw new Error(`A secret was said: ${said}`);
  return error;
}

export async function neverLarge(): Promise<void> {
  throw new Error('The answer was not expected to be large.');
}
