/**
 * The login of the built functions to Cloud SQL: an access token of the metadata server is the password, over the socket
 * that Cloud Run mounts. The metadata server and the socket are fakes; PostgreSQL is real and accepts no other password.
 * Skipped, with the reason, when the user may not create the folder /cloudsql.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildDist, type Dist, serve } from '../build/dist.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

/** Unique, because concurrent test runs share roles and sockets. */
const RUN = randomUUID().slice(0, 8);
const INSTANCE = `orders-example:europe-west1:email-monitor-${RUN}`;
const ACCOUNT = `email-monitor-status-${RUN}@orders-example.iam`;
const TOKEN = `ya29.${randomUUID()}`;
const FOLDER = `/cloudsql/${INSTANCE}`;

/** Why the socket cannot be created; null: it can. */
const missing = ((): string | null => {
  try {
    mkdirSync(FOLDER, { recursive: true });
    return null;
  } catch {
    return 'Needs permission to create the folder /cloudsql.';
  }
})();

let dist: Dist;
let db: TestDatabase;
let socket: Server;
const metadata = createHttpServer();
const requests: string[] = [];
beforeAll(async () => {
  if (missing !== null) return;
  [dist, db] = await Promise.all([buildDist(), createTestDatabase()]);
  await db.query(`create role "${ACCOUNT}" login password '${TOKEN}'`);
  await db.query(`grant select on all tables in schema public to "${ACCOUNT}"`);
  const { hostname, port } = new URL(db.url);
  socket = createServer((client) => {
    const server = connect(Number(port), hostname);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const)
      from.pipe(to).on('error', () => from.destroy());
  });
  socket.listen(join(FOLDER, '.s.PGSQL.5432'));
  await once(socket, 'listening');
  metadata.on('request', (request, response) => {
    requests.push(request.url ?? '');
    response.setHeader('metadata-flavor', 'Google');
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ access_token: TOKEN, expires_in: 3_599, token_type: 'Bearer' }));
  });
  metadata.listen(0, '127.0.0.1');
  await once(metadata, 'listening');
});
afterAll(async () => {
  if (missing !== null) return;
  socket.close();
  metadata.close();
  rmSync(FOLDER, { recursive: true, force: true });
  await db.query(`drop owned by "${ACCOUNT}"`);
  await db.query(`drop role "${ACCOUNT}"`);
  await db.close();
  dist.remove();
});

it('logs in with the token of its account, and requests only the scope for the login', async (test) => {
  if (missing !== null) test.skip(missing);
  // The socket does not need it.
  rmSync(join(dist.folder, 'chunks/google-sql-connector.mjs'));
  const served = await serve(dist.folder, 'status', {
    NODE_ENV: 'production',
    CLOUD_SQL_INSTANCE: INSTANCE,
    DB_NAME: new URL(db.url).pathname.slice(1),
    DB_USER: ACCOUNT,
    GCE_METADATA_HOST: `127.0.0.1:${(metadata.address() as AddressInfo).port}`,
    METADATA_SERVER_DETECTION: 'assume-present',
  });
  try {
    const answer = await fetch(served.url);
    expect([answer.status, await answer.json()]).toEqual([
      200,
      expect.objectContaining({ state: 'not_configured' }),
    ]);
    const tokens = requests.filter((url) => url.includes('/token'));
    expect(tokens.length).toBeGreaterThan(0);
    for (const url of tokens)
      expect(decodeURIComponent(url)).toMatch(
        /\/service-accounts\/default\/token\?scopes=https:\/\/www\.googleapis\.com\/auth\/sqlservice\.login$/,
      );
    expect(served.output()).not.toContain(TOKEN);
  } finally {
    await served.stop();
  }
});
