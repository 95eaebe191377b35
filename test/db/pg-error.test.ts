import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../../shared/db/database.ts';
import {
  fromPgError,
  isConnectionError,
  isStatementTimeout,
  isStatementTooHeavy,
} from '../../shared/db/pg-error.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

/** A server error as `pg` throws it. */
function serverError(code: string): Error {
  return Object.assign(new Error('Order 4711 of Alice'), { code });
}

test.each([
  ['22001', 'unstorable', 'a value that is too long'],
  ['22P05', 'unstorable', 'a character that the encoding does not have'],
  ['23514', 'unstorable', 'a check'],
  ['54000', 'unstorable', 'a program limit'],
  ['54001', 'unstorable', 'a statement that is too complex'],
  ['57014', 'database_unavailable', 'the statement timeout'],
  ['53200', 'database_unavailable', 'out of memory'],
  ['53100', 'database_unavailable', 'disk full'],
  ['53300', 'database_unavailable', 'too many connections'],
  ['55P03', 'database_unavailable', 'the lock timeout'],
  ['25006', 'database_unavailable', 'a read-only server'],
  ['25P03', 'database_unavailable', 'the idle transaction timeout'],
  ['40P01', 'database_unavailable', 'a deadlock'],
  ['57P01', 'database_unavailable', 'a shutdown'],
  ['57P03', 'database_unavailable', 'a server that is starting'],
  ['08006', 'database_unavailable', 'a broken connection'],
  ['ECONNREFUSED', 'database_unavailable', 'a server that does not listen'],
  ['42501', 'database_denied', 'a missing privilege'],
  ['42P01', 'schema_outdated', 'a missing table'],
  ['42883', 'schema_outdated', 'a missing function'],
])('maps %s to %s: %s', (sqlState, code) => {
  const error = fromPgError(serverError(sqlState));
  expect(error.code).toBe(code);
  expect(error.message).toContain(sqlState);
  expect(error.message).not.toContain('4711');
});

test('returns an error that is already mapped unchanged', () => {
  const mapped = fromPgError(serverError('23505'));
  expect(fromPgError(mapped)).toBe(mapped);
});

test.each([
  ['57014', true],
  ['53200', true],
  ['53100', false],
  ['53300', false],
  ['55P03', false],
  ['57P01', false],
  ['23505', false],
])('isStatementTooHeavy of %s is %s', (sqlState, expected) => {
  expect(isStatementTooHeavy(serverError(sqlState))).toBe(expected);
  expect(isStatementTooHeavy(fromPgError(serverError(sqlState)))).toBe(expected);
});

describe('server errors', () => {
  test.each([
    ['3D000', { pathname: '/no-such-database' }, /^database "no-such-database" does not exist/],
    ['28P01', { username: 'stranger' }, /user "stranger"/],
  ])(
    'a rejected login (%s) names the wrong setting, and never the password',
    async (sqlState, part, text) => {
      const url = Object.assign(new URL(db.url), part).href;
      const stranger = openDatabase({ target: { kind: 'url', url }, poolSize: 1 });
      const error = (await stranger.query('select 1').catch((thrown: unknown) => thrown)) as Error;
      await stranger.close();
      expect(error).toMatchObject({ code: 'database_login_failed', message: expect.stringMatching(text) });
      expect(error.message).toContain(`(SQLSTATE ${sqlState})`);
      expect(error.message).not.toContain(new URL(db.url).password);
    },
  );

  test('a statement timeout is recognized, and the connection stays usable', async () => {
    const error = await db
      .query("set local statement_timeout = '20ms'; select pg_sleep(30)")
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'database_unavailable' });
    expect([isStatementTooHeavy(error), isStatementTimeout(error)]).toEqual([true, true]);
    expect((await db.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
  });

  test('a lock timeout is neither a statement that is too heavy nor a connection error', async () => {
    await db.transaction(async (tx) => {
      await tx.query('select 1 from email_monitor_status for update');
      const error = await db
        .query("set local lock_timeout = '20ms'; update email_monitor_status set last_error = null")
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'database_unavailable' });
      expect(isStatementTooHeavy(error)).toBe(false);
      expect(isConnectionError(error)).toBe(false);
    });
  });
});

test('the error of a lock timeout says where to find the transaction that holds the lock', () => {
  expect(fromPgError(serverError('55P03')).message).toMatch(/another transaction.*pg_stat_activity/i);
});
