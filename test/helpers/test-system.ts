/**
 * The whole system for one test: a database, an emulated Gmail on HTTP, and the functions as deployed.
 * Tests never sleep. Time passes by back-dating rows, and sleeps of the system advance its clock and Gmail's at once.
 */
import { setImmediate as setImmediateCallback } from 'node:timers';
import { setImmediate } from 'node:timers/promises';
import {
  EmulatedGmail,
  type EmulatedGmailOptions,
  emulatedCredentials,
  ManyAccounts,
  type RunningGmail,
  startEmulatedGmail,
} from '../../emulators/gmail/emulated-gmail.ts';
import type { Timers } from '../../emulators/gmail/timers.ts';
import { FUNCTIONS } from '../../functions/runtime/functions.ts';
import { createLazyFunction, type LazyFunction } from '../../functions/runtime/lazy-function.ts';
import type { Target } from '../../functions/runtime/targets.ts';
import type { Environment } from '../../shared/config.ts';
import { type AppContext, createAppContext } from '../../shared/control/app-context.ts';
import { setRunning } from '../../shared/db/monitor-status.ts';
import type { Trigger } from '../../shared/db/runs.ts';
import { Deadline } from '../../shared/deadline.ts';
import type { HttpResponse } from '../../shared/http.ts';
import { createIngestContext, type TestOverrides } from '../../shared/ingest/ingest-context.ts';
import { type IngestReport, ingestMailbox } from '../../shared/ingest/ingest-mailbox.ts';
import { checkResponse } from './check-response.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

export interface CallOptions {
  readonly method?: string;
  /** Defaults to `/`. */
  readonly path?: string;
  /** Those of the console's own page for `console`, none for the others, unless given. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const OWN_PAGE = { 'sec-fetch-site': 'same-origin' };

export interface Answered extends HttpResponse {
  // biome-ignore lint/suspicious/noExplicitAny: tests read any field
  readonly json: any;
}

export interface IngestOptions {
  readonly trigger?: Trigger;
  /** Budget of the invocation, including its reserve. */
  readonly budgetMs?: number;
}

/** One instance of the deployment. */
export interface Instance {
  readonly context: AppContext & { readonly overrides: TestOverrides };
  /** Log lines since the start, parsed. */
  readonly log: Record<string, unknown>[];
  call(target: Target, options?: CallOptions): Promise<Answered>;
  /** Runs once without a function. The trigger defaults to `manual`. */
  ingest(options?: IngestOptions): Promise<IngestReport>;
}

export interface TestSystem extends Instance {
  readonly gmail: EmulatedGmail;
  /** All accounts; null without `isMany`. */
  readonly accounts: ManyAccounts | null;
  readonly server: RunningGmail;
  readonly db: TestDatabase;
  readonly env: Environment;
  /** The requested sleeps, in milliseconds. */
  readonly sleeps: number[];
  /** Another instance of the same deployment. `env` overrides its environment. */
  instance(env?: Environment): Instance;
  /** Lets time pass: advances the clocks and back-dates all timestamps that the system compares with now. */
  pass(seconds: number): Promise<void>;
  /** Sets `is_running` without a run. */
  turnOn(): Promise<void>;
  rows<Row extends object = Record<string, unknown>>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

export interface TestSystemOptions {
  readonly gmail?: EmulatedGmailOptions;
  readonly env?: Environment;
  /** Emulates many accounts; `gmail` is the first. */
  readonly isMany?: true;
  /** Skips the delays of the emulated Gmail and advances the clock of the system instead. */
  readonly skipsDelays?: true;
  /** A migrated database for use outside vitest, as in benchmarks. Closed with the system. Defaults to a clone of the
   * template. */
  readonly db?: TestDatabase;
  /** How fast the system's clock runs, so that a busy machine uses up no budget. Defaults to 1. */
  readonly clockRate?: number;
  /** Called for each sleep of the system, before the sleep ends. */
  readonly onSleep?: (ms: number) => Promise<void> | void;
}

export async function createTestSystem(options: TestSystemOptions = {}): Promise<TestSystem> {
  const db = options.db ?? (await createTestDatabase());
  const time = new SkippedTime(db, options.clockRate ?? 1);
  const gmailOptions: EmulatedGmailOptions = {
    quotaUnitsPerMinute: null,
    clock: () => time.epochMs(),
    ...(options.skipsDelays && { timers: time.timers }),
    ...options.gmail,
  };
  const accounts = options.isMany === true ? new ManyAccounts(gmailOptions) : null;
  const gmail = accounts?.add({ emailAddress: 'orders@example.com' }) ?? new EmulatedGmail(gmailOptions);
  const sleeps: number[] = [];
  const overrides: TestOverrides = {
    clock: () => time.monotonicMs(),
    // No test depends on jitter.
    random: () => 0.5,
    sleep: async (ms) => {
      sleeps.push(ms);
      await options.onSleep?.(ms);
      await time.sleep(ms);
    },
  };
  const server = await startEmulatedGmail(accounts ?? gmail);
  const env: Environment = {
    GMAIL_CLIENT_ID: emulatedCredentials.clientId,
    GMAIL_CLIENT_SECRET: emulatedCredentials.clientSecret,
    GMAIL_REFRESH_TOKEN: emulatedCredentials.refreshToken,
    GMAIL_API_ROOT_URL: server.rootUrl,
    GOOGLE_OAUTH_TOKEN_URL: server.tokenUrl,
    GMAIL_SETTLE_SECONDS: '0',
    DATABASE_URL: db.url,
    LOG_LEVEL: 'debug',
    ...options.env,
  };
  const contexts: AppContext[] = [];
  const instance: TestSystem['instance'] = (more = {}) => {
    const log: Record<string, unknown>[] = [];
    const context = {
      ...createAppContext({ ...env, ...more }, (line) => log.push(JSON.parse(line)), overrides.clock),
      overrides,
    };
    contexts.push(context);
    const loaded = new Map<Target, LazyFunction>();
    const call: TestSystem['call'] = async (target, request = {}) => {
      const one = loaded.get(target) ?? createLazyFunction(FUNCTIONS[target], context);
      loaded.set(target, one);
      const answer = await one.handle({
        method: request.method ?? (target === 'status' ? 'GET' : 'POST'),
        path: request.path ?? '/',
        query: request.query ?? {},
        headers: request.headers ?? (target === 'console' ? OWN_PAGE : {}),
        body: request.body,
      });
      const isJson =
        typeof answer.body === 'string' && answer.headers['content-type']?.includes('json') === true;
      const json = isJson ? JSON.parse(String(answer.body)) : null;
      if (isJson) checkResponse({ target, path: request.path }, { json, status: answer.status });
      return { ...answer, json };
    };
    const app = createIngestContext(context);
    const ingest: TestSystem['ingest'] = async ({ trigger = 'manual', budgetMs = 60_000 } = {}) =>
      await ingestMailbox(app, { trigger, deadline: Deadline.after(budgetMs, app.clock) });
    return { call, ingest, context, log };
  };
  const first = instance();
  return {
    ...first,
    gmail,
    accounts,
    server,
    db,
    env,
    sleeps,
    instance,
    pass: async (seconds) => await time.pass(seconds),
    turnOn: async () => {
      await setRunning(db, true);
    },
    rows: async <Row extends object>(sql: string, parameters: unknown[] = []) =>
      (await db.query<Row>(sql, parameters)).rows,
    close: async () => {
      await server.close();
      await Promise.all(contexts.map(async (context) => await context.db.close()));
      await db.close();
    },
  };
}

/** The clocks of the system and of Gmail: real time plus the skipped sleeps and the time that tests let pass. */
class SkippedTime {
  readonly #db: TestDatabase;
  readonly #rate: number;
  #skippedMs = 0;
  #agedMs = 0;

  constructor(db: TestDatabase, rate: number) {
    this.#db = db;
    this.#rate = rate;
  }

  readonly timers: Timers = {
    after: (delayMs, run) => {
      const until = this.monotonicMs() + delayMs;
      const immediate = setImmediateCallback(() => {
        this.#skippedMs += Math.max(0, until - this.monotonicMs());
        run();
      });
      return () => clearImmediate(immediate);
    },
  };

  monotonicMs(): number {
    return performance.now() * this.#rate + this.#skippedMs;
  }

  epochMs(): number {
    return Math.floor(Date.now() + this.#skippedMs);
  }

  /** Overlapping sleeps advance the clock only once. */
  async sleep(ms: number): Promise<void> {
    const until = this.monotonicMs() + ms;
    await setImmediate();
    this.#skippedMs += Math.max(0, until - this.monotonicMs());
    await this.#ageQuota();
  }

  async pass(seconds: number): Promise<void> {
    this.#skippedMs += seconds * 1_000;
    await this.#ageQuota();
    for (const [table, columns] of Object.entries(AGING)) {
      const set = columns.map((column) => `${column} = ${column} - $1::integer * interval '1 second'`);
      await this.#db.query(`update ${table} set ${set.join(', ')}`, [seconds]);
    }
  }

  async #ageQuota(): Promise<void> {
    const ms = Math.floor(this.#skippedMs - this.#agedMs);
    if (ms <= 0) return;
    this.#agedMs += ms;
    await this.#db.query(
      `update mailbox_quota
       set refilled_at = refilled_at - $1::integer * interval '1 millisecond',
           paused_until = paused_until - $1::integer * interval '1 millisecond'`,
      [ms],
    );
  }
}

/** Columns that the system compares with the present time. */
const AGING = {
  mailboxes: ['unconfirmed_at', 'hint_at', 'pushed_at', 'lease_expires_at', 'next_poll_at', 'last_run_at'],
  mailbox_watches: ['registered_at', 'expires_at', 'next_attempt_at', 'late_since'],
  email_ledger: ['last_attempt_at', 'next_attempt_at'],
  list_jobs: ['created_at', 'not_before'],
  reconciliations: ['started_at', 'not_before', 'listed_at', 'evaluated_at'],
} as const;
