/**
 * The door to PostgreSQL: one small pool an instance, every call bounded in time, every fault mapped once.
 * What must stay true: no transaction stays open across a call to anything but the database.
 */
import pg from 'pg';
import type { DatabaseTarget } from '../config.ts';
import type { AppError } from '../errors.ts';
import { connectionTo } from './connection.ts';
import { fromPgError, isConnectionFault } from './pg-error.ts';
import type { Statement } from './statement.ts';
import { Turnstile } from './turnstile.ts';

export interface Queryable {
  /**
   * @param sql one statement, or without parameters several that are one transaction
   * @returns the rows, and how many rows the statement touched, the last one of several
   * @throws {AppError} database_unavailable, schema_outdated, unstorable
   */
  query<Row extends object>(sql: string | Statement, parameters?: readonly unknown[]): Promise<Answered<Row>>;
}

export interface Answered<Row> {
  readonly rows: Row[];
  readonly rowCount: number;
}

export interface Database extends Queryable {
  /** Commits what `work` did, or nothing. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /**
   * One statement that is a transaction of its own, in the queue of the transactions because it carries much. May run
   * twice.
   */
  commit<Row extends object>(sql: Statement, parameters: readonly unknown[]): Promise<Answered<Row>>;
  close(): Promise<void>;
}

/** Bounds that no statement of ours comes near; a 50 MB message is stored in about a second. */
const TIMEOUTS = {
  connectionTimeoutMillis: 5_000,
  statement_timeout: 30_000,
  query_timeout: 35_000,
  lock_timeout: 10_000,
  /** A frozen instance must not hold the row that its successor needs. */
  idle_in_transaction_session_timeout: 15_000,
};

export interface DatabaseOptions {
  readonly target: DatabaseTarget;
  readonly poolSize: number;
  /** Told of faults on idle connections, which belong to no call. */
  readonly onIdleError?: (error: AppError) => void;
}

/** Connects at the first query, not before. */
export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    ...connectionTo(options.target),
    ...TIMEOUTS,
    max: options.poolSize,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: 'email-monitor',
  });
  // Not in the queue of the pool, where waiting is a fault after five seconds: a store of many megabytes on a small
  // database takes some of them. One connection stays free for the heartbeat of the lease and the push that knocks.
  const transactions = new Turnstile(Math.max(1, options.poolSize - 1));
  // From the first moment and for good: the pool takes its own listener off when it hands a connection out, and what
  // the server sent in the same packet is read before whoever waits for the connection gets to run.
  pool.on('connect', (client) => client.on('error', ignore));
  pool.on('error', (error) => options.onIdleError?.(fromPgError(error)));

  const query = async <Row extends object>(
    sql: string | Statement,
    parameters: readonly unknown[] = [],
  ): Promise<Answered<Row>> => {
    try {
      return await run<Row>(pool, sql, parameters);
    } catch (error) {
      // A connection that slept with its instance may be dead. Every single statement of ours may run twice.
      if (!isConnectionFault(error)) throw fromPgError(error);
      return await run<Row>(pool, sql, parameters).catch((again: unknown) =>
        Promise.reject(fromPgError(again)),
      );
    }
  };
  return {
    query,
    commit: async (sql, parameters) => await transactions.pass(async () => await query(sql, parameters)),
    transaction: async (work) => await transactions.pass(async () => await inTransaction(pool, work)),
    close: async () => await pool.end(),
  };
}

async function inTransaction<T>(pool: pg.Pool, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const client = await begin(pool);
  let broken: Error | undefined;
  const ask = async <Row extends object>(sql: string | Statement, parameters: readonly unknown[] = []) =>
    await run<Row>(client, sql, parameters).catch((error: unknown) => Promise.reject(fromPgError(error)));
  try {
    const result = await work({ query: ask });
    await ask('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((fault: Error) => {
      broken = fault;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/** An error event without a listener is an uncaught exception; the failing query reports it. */
const ignore = () => undefined;

/** A connection that slept with its instance may be dead: nothing is done yet, so another is taken. */
async function begin(pool: pg.Pool): Promise<pg.PoolClient> {
  for (let isAgain = false; ; isAgain = true) {
    const client = await pool.connect().catch((error: unknown) => Promise.reject(fromPgError(error)));
    try {
      await client.query('begin');
      return client;
    } catch (error) {
      client.release(error instanceof Error ? error : true);
      if (isAgain || !isConnectionFault(error)) throw fromPgError(error);
    }
  }
}

async function run<Row extends object>(
  on: pg.Pool | pg.PoolClient,
  sql: string | Statement,
  parameters: readonly unknown[],
): Promise<Answered<Row>> {
  const values = [...parameters];
  const results = await (typeof sql === 'string'
    ? on.query<Row>(sql, values)
    : on.query<Row>({ ...sql, values }));
  const { rowCount, rows } = [results].flat().at(-1) ?? { rowCount: 0, rows: [] };
  return { rows, rowCount: rowCount ?? 0 };
}
