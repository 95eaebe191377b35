/**
 * Access to PostgreSQL: one small pool per instance, every call bounded in time, every error mapped once.
 * Invariant: no transaction stays open across a call to anything but the database.
 */
import pg from 'pg';
import type { DatabaseTarget } from '../config.ts';
import type { AppError } from '../errors.ts';
import { Semaphore } from '../limits/semaphore.ts';
import { closeConnector, connectionTo } from './connection.ts';
import { fromPgError, isConnectionError } from './pg-error.ts';
import type { Statement } from './statement.ts';

export interface Queryable {
  /**
   * @param sql one statement, or without parameters several that are one transaction
   * @returns the rows, and how many rows the statement touched, the last one of several
   * @throws {AppError} database_unavailable, schema_outdated, unstorable
   */
  query<Row extends object>(
    sql: string | Statement<Row>,
    parameters?: readonly unknown[],
  ): Promise<QueryResult<Row>>;
}

export interface QueryResult<Row> {
  readonly rows: Row[];
  readonly rowCount: number;
}

export interface Database extends Queryable {
  /** Runs `work` in a transaction: commits when it resolves, rolls back when it throws. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /**
   * Runs one statement that carries much data. It waits in the queue of the transactions, so that heartbeats and pushes
   * always find a free connection.
   */
  commit<Row extends object>(sql: Statement<Row>, parameters: readonly unknown[]): Promise<QueryResult<Row>>;
  close(): Promise<void>;
}

/** Far above what any statement needs, even one that stores a 50 MB message. */
const TIMEOUTS = {
  connectionTimeoutMillis: 5_000,
  statement_timeout: 30_000,
  query_timeout: 35_000,
  lock_timeout: 10_000,
  /** A frozen instance must not keep a row locked that its successor needs. */
  idle_in_transaction_session_timeout: 15_000,
};

/** These override the defaults of the database and of the account. */
const SESSION_OPTIONS = [
  // Parameters hold words of emails; they must not be logged with the error of a statement.
  '-c log_parameter_max_length_on_error=0',
  // The driver reads times in this style only.
  '-c datestyle=ISO',
  // Statements wait for locks and then see what others committed, which the other levels do not allow.
  '-c default_transaction_isolation=read\\ committed',
].join(' ');

const INT8_OID = 20;

/** Returns bigint as a number: ids and counts stay far below 2^53. */
const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8_OID && format !== 'binary'
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

export interface DatabaseOptions {
  readonly target: DatabaseTarget;
  readonly poolSize: number;
  /** Receives errors on idle connections, which belong to no call. */
  readonly onIdleError?: (error: AppError) => void;
}

/** Returns a pool that connects at its first query. */
export function openDatabase(options: DatabaseOptions): Database {
  let opening: Promise<pg.Pool> | null = null;
  const open = async (): Promise<pg.Pool> => {
    opening ??= openPool(options).catch((error: unknown) => {
      opening = null;
      throw error;
    });
    return await opening;
  };
  // Transactions wait here, because the pool's own queue fails after five seconds and a store of many megabytes takes longer
  // on a small database. One connection stays free for lease heartbeats and pushes.
  const transactions = new Semaphore(Math.max(1, options.poolSize - 1));

  const query = async <Row extends object>(
    sql: string | Statement<Row>,
    parameters: readonly unknown[] = [],
  ): Promise<QueryResult<Row>> => {
    const pool = await open();
    try {
      return await runStatement<Row>(pool, sql, parameters);
    } catch (error) {
      // The connection may have died while the instance was frozen.
      const isRepeatable = typeof sql === 'string' || sql.isRepeatable;
      if (!isConnectionError(error) || !isRepeatable) throw fromPgError(error);
      return await runStatement<Row>(pool, sql, parameters).catch(throwMapped);
    }
  };
  return {
    query,
    commit: async (sql, parameters) => await transactions.run(async () => await query(sql, parameters)),
    transaction: async (work) => await transactions.run(async () => await inTransaction(await open(), work)),
    close: async () => {
      if (opening === null) return;
      await (await opening).end();
      closeConnector();
    },
  };
}

/** @throws {AppError} database_unavailable */
async function openPool({ onIdleError, poolSize, target }: DatabaseOptions): Promise<pg.Pool> {
  const pool = new pg.Pool({
    ...(await connectionTo(target)),
    ...TIMEOUTS,
    types,
    max: poolSize,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: 'email-monitor',
    options: SESSION_OPTIONS,
  });
  // The pool removes its own listener when it hands out a connection, and an error that arrives in the same packet is
  // emitted before the receiver can add another.
  pool.on('connect', (client) => client.on('error', ignore));
  pool.on('error', (error) => onIdleError?.(fromPgError(error)));
  return pool;
}

async function inTransaction<T>(pool: pg.Pool, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const client = await begin(pool);
  let broken: Error | undefined;
  const query = async <Row extends object>(
    sql: string | Statement<Row>,
    parameters: readonly unknown[] = [],
  ) => await runStatement<Row>(client, sql, parameters).catch(throwMapped);
  try {
    const result = await work({ query });
    await query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((rollbackError: Error) => {
      broken = rollbackError;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/** An error event without a listener is an uncaught exception; the failing query reports it. */
const ignore = () => undefined;

function throwMapped(error: unknown): never {
  throw fromPgError(error);
}

/** Tries a second connection, because the first one may have died while the instance was frozen. */
async function begin(pool: pg.Pool): Promise<pg.PoolClient> {
  for (let isRetry = false; ; isRetry = true) {
    const client = await pool.connect().catch(throwMapped);
    try {
      await client.query('begin');
      return client;
    } catch (error) {
      client.release(error instanceof Error ? error : true);
      if (isRetry || !isConnectionError(error)) throw fromPgError(error);
    }
  }
}

/** Runs a statement on a pool or a single connection. Errors are those of pg. */
export async function runStatement<Row extends object>(
  on: pg.Pool | pg.ClientBase,
  sql: string | Statement<Row>,
  parameters: readonly unknown[],
): Promise<QueryResult<Row>> {
  const values = [...parameters];
  const results = await (typeof sql === 'string'
    ? on.query<Row>(sql, values)
    : on.query<Row>({ name: sql.name, text: sql.text, values }));
  const { rowCount, rows } = [results].flat().at(-1) ?? { rowCount: 0, rows: [] };
  return { rows, rowCount: rowCount ?? 0 };
}

/**
 * Limits the transactions of one run, which wait for each other before they wait for those of other runs. So a run with a
 * backlog does not fill the queue for the connections.
 */
export function limitTransactions(db: Database, limit: number): Database {
  const own = new Semaphore(limit);
  return {
    ...db,
    commit: async (sql, parameters) => await own.run(async () => await db.commit(sql, parameters)),
    transaction: async (work) => await own.run(async () => await db.transaction(work)),
  };
}
