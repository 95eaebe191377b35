/**
 * An instance without its functions: a database, an emulated Gmail on HTTP and the ingest context, for tests of single
 * steps. Sleeps are skipped: the clock advances at once.
 */
import { onTestFinished } from 'vitest';
import {
  EmulatedGmail,
  type EmulatedGmailOptions,
  emulatedCredentials,
  startEmulatedGmail,
} from '../../emulators/gmail/emulated-gmail.ts';
import { type Environment, readConfig } from '../../shared/config.ts';
import type { Database } from '../../shared/db/database.ts';
import { Deadline } from '../../shared/deadline.ts';
import { callOutsideRun } from '../../shared/ingest/call-outside-run.ts';
import { createIngestContext, type IngestContext } from '../../shared/ingest/ingest-context.ts';
import type { RunContext } from '../../shared/ingest/run-context.ts';
import { Semaphore } from '../../shared/limits/semaphore.ts';
import { createLog } from '../../shared/log.ts';
import { createTestDatabase } from './test-database.ts';

export interface IngestFixture {
  readonly gmail: EmulatedGmail;
  readonly db: Database;
  readonly app: IngestContext;
  /** Log lines since the start, parsed. */
  readonly log: Record<string, unknown>[];
  /** The requested sleeps, in milliseconds. */
  readonly sleeps: number[];
  /** Another account on the same database, with its own credentials. */
  account(options: EmulatedGmailOptions): Promise<{ gmail: EmulatedGmail; app: IngestContext }>;
  /** The context of another instance, with other settings or other credentials of the same account. */
  instance(env: Environment): IngestContext;
  /** A run that holds the lease. It has only the parts that the tested steps use. */
  run(mailboxId: number, env?: Environment, budgetMs?: number): RunContext;
  deadline(ms?: number): Deadline;
  rows<Row extends object = Record<string, unknown>>(sql: string, parameters?: unknown[]): Promise<Row[]>;
}

/** Creates a fixture that is closed when the test ends. */
export async function createFixture(
  options: { gmail?: EmulatedGmailOptions; env?: Environment } = {},
): Promise<IngestFixture> {
  const db = await createTestDatabase();
  onTestFinished(async () => await db.close());
  let skippedMs = 0;
  const clock = () => performance.now() + skippedMs;
  const log: Record<string, unknown>[] = [];
  const sleeps: number[] = [];
  const sleep = async (ms: number) => {
    sleeps.push(ms);
    skippedMs += ms;
    await db.query(
      "update mailbox_quota set refilled_at = refilled_at - $1::double precision * interval '1 millisecond'",
      [ms],
    );
  };
  const contextOf = (env: Environment): IngestContext =>
    createIngestContext({
      config: readConfig({ DATABASE_URL: 'postgres://unused', ...options.env, ...env }),
      db,
      log: createLog({ level: 'debug', format: 'json', sink: (line) => log.push(JSON.parse(line)) }),
      suspects: new Semaphore(1),
      overrides: { clock, sleep, random: () => 0.5 },
    });
  const account: IngestFixture['account'] = async (gmailOptions) => {
    const gmail = new EmulatedGmail({ quotaUnitsPerMinute: null, ...gmailOptions });
    const server = await startEmulatedGmail(gmail);
    onTestFinished(async () => await server.close());
    const app = contextOf({
      GMAIL_CLIENT_ID: emulatedCredentials.clientId,
      GMAIL_CLIENT_SECRET: emulatedCredentials.clientSecret,
      GMAIL_REFRESH_TOKEN: gmailOptions.refreshToken ?? emulatedCredentials.refreshToken,
      GMAIL_API_ROOT_URL: server.rootUrl,
      GOOGLE_OAUTH_TOKEN_URL: server.tokenUrl,
    });
    return { gmail, app };
  };
  const { gmail, app } = await account({ ...options.gmail });
  const instance: IngestFixture['instance'] = (env) =>
    contextOf({
      GMAIL_CLIENT_ID: app.config.gmail?.clientId,
      GMAIL_CLIENT_SECRET: app.config.gmail?.clientSecret,
      GMAIL_REFRESH_TOKEN: app.config.gmail?.refreshToken,
      GMAIL_API_ROOT_URL: app.config.gmailApiRootUrl ?? undefined,
      GOOGLE_OAUTH_TOKEN_URL: app.config.oauthTokenUrl ?? undefined,
      ...env,
    });
  const deadline = (ms = 60_000) => Deadline.after(ms, clock);
  return {
    gmail,
    db,
    app,
    log,
    sleeps,
    account,
    instance,
    deadline,
    run: (mailboxId, env = {}, budgetMs = 60_000) => {
      const own = instance(env);
      const ends = deadline(budgetMs);
      return {
        ...own,
        trigger: 'schedule',
        lease: { mailboxId, token: '00000000-0000-0000-0000-000000000000' },
        deadline: ends,
        call: callOutsideRun(own, mailboxId, ends),
      } as unknown as RunContext;
    },
    rows: async <Row extends object>(sql: string, parameters: unknown[] = []) =>
      (await db.query<Row>(sql, parameters)).rows,
  };
}
