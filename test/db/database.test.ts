import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Database, openDatabase } from '../../shared/db/database.ts';
import { startDyingServer } from '../helpers/dying-server.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
const opened: Database[] = [];
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => {
  await Promise.all(opened.map(async (one) => await one.close()));
  await db.close();
});

function open(poolSize: number, url = db.url): Database {
  const one = openDatabase({ target: { kind: 'url', url }, poolSize });
  opened.push(one);
  return one;
}

async function pidOf(on: { query: Database['query'] }): Promise<number> {
  return (await on.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid ?? 0;
}

async function kill(pid: number): Promise<void> {
  await db.query('select pg_terminate_backend($1::integer)', [pid]);
}

describe('startup errors', () => {
  // Without a listener, its error event is an uncaught exception, which fails the test run.
  test.each(['query', 'transaction'] as const)(
    'replaces a connection that ends in the packet that opens it, for a %s',
    async (how) => {
      const server = await startDyingServer(1);
      const one = openDatabase({ target: { kind: 'url', url: server.url }, poolSize: 2 });
      if (how === 'query') await one.query('select');
      else await one.transaction(async (tx) => await tx.query('select'));
      expect(server.connectionCount()).toBe(2);
      await one.close();
      await server.close();
    },
  );
});

test('reads times and isolates transactions as the code expects, whatever the defaults of the database are', async () => {
  const own = await createTestDatabase();
  onTestFinished(async () => await own.close());
  const name = new URL(own.url).pathname.slice(1);
  await own.query(`alter database "${name}" set datestyle = 'SQL, DMY'`);
  await own.query(`alter database "${name}" set default_transaction_isolation = 'serializable'`);
  const one = open(1, own.url);
  const { rows } = await one.query<{ at: Date; isolation: string }>(
    "select timestamptz '2026-11-29 15:00:00Z' as at, current_setting('transaction_isolation') as isolation",
  );
  expect(rows).toEqual([{ at: new Date('2026-11-29T15:00:00Z'), isolation: 'read committed' }]);
});

describe('transaction', () => {
  test('a transaction commits everything or nothing', async () => {
    await db.query('create table pairs (n integer)');
    const work = db.transaction(async (tx) => {
      await tx.query('insert into pairs values (1)');
      throw new Error('in between');
    });
    await expect(work).rejects.toThrow('in between');
    await db.transaction(async (tx) => await tx.query('insert into pairs values (2)'));
    expect((await db.query('select n from pairs')).rows).toEqual([{ n: 2 }]);
  });

  test('a transaction takes another connection when an idle one has died', async () => {
    const one = open(1);
    await kill(await pidOf(one));
    expect(await one.transaction(async (tx) => (await tx.query('select 1 as n')).rows)).toEqual([{ n: 1 }]);
  });

  test('a transaction whose connection dies fails as a whole and leaves the pool usable', async () => {
    const one = open(1);
    const work = one.transaction(async (tx) => {
      await tx.query('create table half (n integer)');
      await kill(await pidOf(tx));
      await tx.query('select 1');
    });
    await expect(work).rejects.toMatchObject({ code: 'database_unavailable' });
    expect((await one.query("select to_regclass('half') as half")).rows).toEqual([{ half: null }]);
  });

  test('transactions queue and leave one connection free for short queries', async () => {
    const one = open(3);
    let inside = 0;
    let most = 0;
    const two = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const works = Array.from(
      { length: 8 },
      async () =>
        await one.transaction(async (tx) => {
          inside += 1;
          most = Math.max(most, inside);
          await tx.query('select 1');
          if (inside === 2) two.resolve();
          await finish.promise;
          inside -= 1;
        }),
    );
    await two.promise;
    await one.query('select 1');
    finish.resolve();
    await Promise.all(works);
    expect(most).toBe(2);
  });

  test('a failed transaction releases its slot', async () => {
    const one = open(1);
    const fail = async () => await Promise.reject(new Error('no'));
    await Promise.allSettled([one.transaction(fail), one.transaction(fail), one.transaction(fail)]);
    expect(await one.transaction(async (tx) => (await tx.query('select 1 as n')).rows)).toEqual([{ n: 1 }]);
  });
});

describe('query', () => {
  test('sends a statement again when an idle connection has died', async () => {
    const one = open(1);
    await kill(await pidOf(one));
    expect((await one.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
  });

  test.each([
    ['a missing table', 'select * from nowhere', 'schema_outdated'],
    ['a missing column', 'select nothing from mailboxes', 'schema_outdated'],
    ['a value out of range', 'select 1 / 0', 'unstorable'],
    ['a broken constraint', 'insert into email_monitor_status (id) values (2)', 'unstorable'],
  ])('reports %s with the code of its cause', async (_case, sql, code) => {
    await expect(db.query(sql)).rejects.toMatchObject({ code });
  });

  test('an error does not quote the value that the server rejects', async () => {
    const thrown = await db.query("select 'Order 4711 of Alice'::integer").catch((error: Error) => error);
    expect(thrown).toMatchObject({ message: expect.not.stringContaining('4711') });
  });

  test('a query to a server that does not listen fails as database_unavailable', async () => {
    const nowhere = new URL(db.url);
    nowhere.port = '1';
    await expect(open(1, nowhere.href).query('select 1')).rejects.toMatchObject({
      code: 'database_unavailable',
    });
  });
});
