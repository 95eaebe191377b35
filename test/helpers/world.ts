/**
 * The whole system of one test: a database, an emulated Gmail on HTTP, and the functions on top, as deployed.
 * Time passes by back-dating rows, never by sleeping.
 */

import { createFunction, type Target } from '../../functions/catalogue.ts';
import { createContext, type FunctionContext } from '../../functions/context.ts';
import {
  EmulatedGmail,
  type EmulatedGmailOptions,
  emulatedCredentials,
  type RunningGmail,
  startEmulatedGmail,
} from '../../local/gmail/emulated-gmail.ts';
import type { Environment } from '../../shared/config.ts';
import type { HttpAnswer } from '../../shared/http.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

export interface CallOptions {
  readonly method?: string;
  /** `/` unless given. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface Answered extends HttpAnswer {
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever was answered
  readonly json: any;
}

export interface World {
  readonly gmail: EmulatedGmail;
  readonly server: RunningGmail;
  readonly db: TestDatabase;
  readonly env: Environment;
  readonly context: FunctionContext;
  /** Log lines since the start, parsed. */
  readonly log: Record<string, unknown>[];
  call(target: Target, options?: CallOptions): Promise<Answered>;
  /** A second instance of the same deployment, with an environment of its own. */
  instance(env?: Environment): Pick<World, 'call' | 'context' | 'log'>;
  /** Turns the switch on, without a cycle. */
  switchOn(): Promise<void>;
  rows<Row extends object = Record<string, unknown>>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly gmail?: EmulatedGmailOptions;
  readonly env?: Environment;
}

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const db = await createTestDatabase();
  const gmail = new EmulatedGmail({ quotaUnitsPerMinute: null, ...options.gmail });
  const server = await startEmulatedGmail(gmail);
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
  const contexts: FunctionContext[] = [];
  const instance: World['instance'] = (more = {}) => {
    const log: Record<string, unknown>[] = [];
    const context = createContext({ ...env, ...more }, (line) => log.push(JSON.parse(line)));
    contexts.push(context);
    const loaded = new Map<Target, ReturnType<typeof createFunction>>();
    const call: World['call'] = async (target, request = {}) => {
      const one = loaded.get(target) ?? createFunction(target, context);
      loaded.set(target, one);
      const answer = await one.handle({
        method: request.method ?? (target === 'status' ? 'GET' : 'POST'),
        path: request.path ?? '/',
        query: request.query ?? {},
        headers: request.headers ?? {},
        body: request.body,
      });
      return { ...answer, json: answer.body === null ? null : JSON.parse(answer.body) };
    };
    return { call, context, log };
  };
  const first = instance();
  return {
    ...first,
    gmail,
    server,
    db,
    env,
    instance,
    switchOn: async () => {
      await db.query('update email_monitor_status set is_running = true');
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
