/**
 * The login of the built functions to the private address of a Cloud SQL instance, with Google's connector. The metadata
 * server, the Admin API and the server side of TLS are fakes; PostgreSQL is real. Cloud SQL accepts the client certificate as
 * the login; here PGPASSWORD replaces that step. Skipped, with the reason, without openssl or other loopback addresses.
 */
import { generateKeyPairSync, randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildDist, type Dist, serve } from '../build/dist.ts';
import { runToEnd } from '../helpers/command-process.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../helpers/test-certificates.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

const TOKEN = `ya29.${randomUUID()}`;
/** The connector always uses this port, so each run has its own loopback address. */
const PORT = 3307;
const ADDRESS = `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`;

const keys = mkdtempSync(join(tmpdir(), 'email-monitor-certificates-'));
const metadata = createHttpServer();
const api = createHttpServer();
const apiCalls: string[] = [];
/** True: the Admin API refuses every call. */
let isDenied = false;
let connectionCount = 0;
/** Why the fakes cannot run; null: they run. */
let missing: string | null = null;
let instance: TlsServer | undefined;
let dist: Dist;
let db: TestDatabase;

beforeAll(async () => {
  let authority: CertificateAuthority;
  try {
    authority = createCertificateAuthority(keys);
    instance = await listenAsInstance(authority);
  } catch (error) {
    missing = `Needs openssl and the address ${ADDRESS}: ${(error as NodeJS.ErrnoException).code}.`;
    return;
  }
  [dist, db] = await Promise.all([buildDist(), createTestDatabase()]);
  metadata.on('request', (_request, response) => {
    response.setHeader('metadata-flavor', 'Google');
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ access_token: TOKEN, expires_in: 3_599, token_type: 'Bearer' }));
  });
  api.on('request', async (request: IncomingMessage, response) => {
    const path = request.url?.split('?')[0] ?? '';
    const body = await text(request);
    apiCalls.push(`${request.method} ${path}`);
    response.setHeader('content-type', 'application/json');
    if (isDenied || request.headers.authorization !== `Bearer ${TOKEN}`) {
      response.statusCode = 403;
      response.end(JSON.stringify({ error: { code: 403, message: 'Missing cloudsql.instances.get' } }));
    } else response.end(JSON.stringify(answer(path, body, authority)));
  });
  await Promise.all([metadata, api].map(listen));
}, 60_000);
afterAll(async () => {
  rmSync(keys, { recursive: true });
  if (missing !== null) return;
  for (const server of [metadata, api, instance]) server?.close();
  dist.remove();
  await db.close();
});

async function listen(server: Server): Promise<void> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

const urlOf = (server: Server) => `127.0.0.1:${(server.address() as AddressInfo).port}`;

/** Accepts only clients with a certificate of the authority. */
async function listenAsInstance(authority: CertificateAuthority): Promise<TlsServer> {
  const pair = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const server = createTlsServer({
    key: pair.privateKey,
    cert: authority.sign(pair.publicKey, 'orders-example:email-monitor'),
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.on('secureConnection', (client) => {
    connectionCount += 1;
    const { hostname, port } = new URL(db.url);
    const postgres = connect(Number(port), hostname);
    for (const [from, to] of [
      [client, postgres],
      [postgres, client],
    ] as const)
      from.pipe(to).on('error', () => from.destroy());
  });
  server.listen(PORT, ADDRESS);
  await once(server, 'listening');
  return server;
}

/** https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1beta4/connect */
function answer(path: string, body: string, authority: CertificateAuthority): object {
  if (path.endsWith('/connectSettings'))
    return {
      region: 'europe-west1',
      databaseVersion: 'POSTGRES_18',
      ipAddresses: [{ type: 'PRIVATE', ipAddress: ADDRESS }],
      serverCaCert: { cert: authority.certificate, expirationTime: '2099-01-01T00:00:00Z' },
    };
  const { access_token: token, public_key: publicKey } = JSON.parse(body);
  expect(token).toBe(TOKEN);
  return { ephemeralCert: { cert: authority.sign(publicKey, 'the caller') } };
}

function environment() {
  const { username, password, pathname } = new URL(db.url);
  return {
    NODE_ENV: 'production',
    CLOUD_SQL_INSTANCE: 'orders-example:europe-west1:email-monitor',
    CLOUD_SQL_IP_TYPE: 'PRIVATE',
    CLOUD_SQL_API_ROOT_URL: `http://${urlOf(api)}/`,
    DB_NAME: pathname.slice(1),
    DB_USER: username,
    PGPASSWORD: password,
    GCE_METADATA_HOST: urlOf(metadata),
    METADATA_SERVER_DETECTION: 'assume-present',
  };
}

const serveStatus = async () => await serve(dist.folder, 'status', environment());

it('connects to the private address over TLS, with a client certificate that carries the IAM login', async (test) => {
  if (missing !== null) test.skip(missing);
  const served = await serveStatus();
  try {
    const response = await fetch(served.url);
    expect([response.status, await response.json()]).toEqual([
      200,
      expect.objectContaining({ state: 'not_configured' }),
    ]);
    expect(connectionCount).toBeGreaterThan(0);
    expect(apiCalls).toEqual([
      'GET /sql/v1beta4/projects/orders-example/instances/email-monitor/connectSettings',
      'POST /sql/v1beta4/projects/orders-example/instances/email-monitor:generateEphemeralCert',
    ]);
    expect(served.output()).not.toContain(TOKEN);
  } finally {
    await served.stop();
  }
});

it('answers 503 with the reason while the Admin API refuses, and connects once it accepts', async (test) => {
  if (missing !== null) test.skip(missing);
  isDenied = true;
  const served = await serveStatus();
  try {
    const refused = await fetch(served.url);
    expect([refused.status, await refused.json()]).toEqual([
      503,
      expect.objectContaining({
        code: 'database_unavailable',
        detail: expect.stringContaining('Missing cloudsql.instances.get'),
      }),
    ]);
    isDenied = false;
    expect((await fetch(served.url)).status).toBe(200);
  } finally {
    await served.stop();
  }
});

for (const [name, args, said] of [
  ['migrate', [], 'The schema is current.'],
  ['reprocess', ['--older-parser'], '0 emails to parse again'],
] as const)
  it(`the command ${name} ends, although the connector renews its certificate`, async (test) => {
    if (missing !== null) test.skip(missing);
    const { code, output } = await runToEnd(name, args, environment());
    expect([code, output]).toEqual([0, expect.stringContaining(said)]);
  }, 30_000);
