/** `npm run service-agent` against a fake of Service Usage over HTTP. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { runToEnd } from '../helpers/command-process.ts';

// Each command is a process of its own, and a busy machine starts it slowly.
vi.setConfig({ testTimeout: 30_000 });

const AGENT = 'service-1@gcp-sa-iap.iam.gserviceaccount.com';
const CREATE = 'POST /v1beta1/projects/orders-example/services/iap.googleapis.com:generateServiceIdentity';
const READ = 'GET /v1beta1/operations/acf.1';
const ARGUMENTS = ['--project', 'orders-example', '--service', 'iap.googleapis.com'];

type Answer = readonly [status: number, body: object];
const RUNNING: Answer = [200, { name: 'operations/acf.1' }];
const DONE: Answer = [
  200,
  { name: 'operations/acf.1', done: true, response: { email: AGENT, uniqueId: '1' } },
];
const refused = (reason: string): Answer => [403, { error: { message: reason } }];
const DISABLED = refused('Identity-Aware Proxy API has not been used in project 1 before or it is disabled.');

let requests: { line: string; headers: IncomingHttpHeaders; body: string }[];
/** The answers in order; the last one repeats. */
let answers: Answer[];
let folder: string;
let url: string;
const server = createServer(async (request, response) => {
  requests.push({
    line: `${request.method} ${request.url}`,
    headers: request.headers,
    body: await text(request),
  });
  const [status, body] = (answers.length > 1 ? answers.shift() : answers[0]) ?? [500, {}];
  response
    .writeHead(status, { 'content-type': 'application/json', connection: 'close' })
    .end(JSON.stringify(body));
});
beforeEach(async () => {
  requests = [];
  folder = mkdtempSync(join(tmpdir(), 'service-agent-'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  rmSync(folder, { recursive: true });
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
});

const lines = () => requests.map(({ line }) => line);
const run = async (
  script: Answer[],
  args: readonly string[] = ARGUMENTS,
  env: Record<string, string> = {},
) => {
  answers = script;
  return await runToEnd('service-agent', args, {
    CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE: `${url}/`,
    GOOGLE_OAUTH_ACCESS_TOKEN: 'ya29.token',
    // No call to the metadata server of a cloud machine.
    METADATA_SERVER_DETECTION: 'none',
    HOME: folder,
    ...env,
  });
};

it('creates the account with the token of Terraform and an empty body, and prints its address', async () => {
  expect(await run([DONE])).toEqual({ code: 0, output: `${AGENT}\n` });
  expect(requests).toMatchObject([
    {
      line: CREATE,
      body: '',
      headers: { authorization: 'Bearer ya29.token', 'x-goog-user-project': 'orders-example' },
    },
  ]);
});

it('waits for a long-running operation', async () => {
  expect(await run([RUNNING, RUNNING, DONE])).toEqual({ code: 0, output: `${AGENT}\n` });
  expect(lines()).toEqual([CREATE, READ, READ]);
});

it('retries while Google does not find the operation that it has begun', async () => {
  const notFound: Answer = [404, { error: { message: 'Operation not found.' } }];
  expect(await run([RUNNING, notFound, DONE])).toEqual({ code: 0, output: `${AGENT}\n` });
  expect(lines()).toEqual([CREATE, READ, READ]);
});

it('retries while the API is freshly enabled', async () => {
  expect(await run([DISABLED, DONE])).toEqual({ code: 0, output: `${AGENT}\n` });
  expect(lines()).toEqual([CREATE, CREATE]);
});

it('reports why Google still refuses when the time is over, and what the caller needs', async () => {
  const { code, output } = await run([DISABLED], [...ARGUMENTS, '--wait', '0']);
  expect(code).toBe(1);
  expect(output).toMatch(/answers 403 .*has not been used in project 1.*\nThe caller needs serviceusage/);
  expect(lines()).toEqual([CREATE]);
});

it('reports an operation that fails', async () => {
  const failed: Answer = [
    200,
    { name: 'operations/acf.1', done: true, error: { code: 9, message: 'Quota exceeded.' } },
  ];
  expect(await run([RUNNING, failed])).toMatchObject({
    code: 1,
    output: expect.stringContaining(
      'the service agent of iap.googleapis.com is not created: Quota exceeded.',
    ),
  });
});

it('gives up on an operation that does not end', async () => {
  expect(await run([RUNNING], [...ARGUMENTS, '--wait', '0'])).toMatchObject({
    code: 1,
    output: expect.stringContaining('is not created after 0 s'),
  });
});

it('reports an account that Google does not name', async () => {
  const unnamed: Answer = [200, { name: 'operations/finished.DONE_OPERATION', done: true, response: {} }];
  expect(await run([unnamed])).toEqual({
    code: 0,
    output: 'iap.googleapis.com has no service agent to name.\n',
  });
});

it('uses Application Default Credentials without GOOGLE_OAUTH_ACCESS_TOKEN', async () => {
  const file = join(folder, 'credentials.json');
  const subject = join(folder, 'subject');
  writeFileSync(subject, 'subject-token');
  writeFileSync(
    file,
    JSON.stringify({
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${url}/sts`,
      credential_source: { file: subject },
    }),
  );
  const exchanged: Answer = [
    200,
    { access_token: 'from-file', token_type: 'Bearer', expires_in: 3600, issued_token_type: 'x' },
  ];
  const env = { GOOGLE_OAUTH_ACCESS_TOKEN: '', GOOGLE_APPLICATION_CREDENTIALS: file };
  expect(await run([exchanged, DONE], ARGUMENTS, env)).toEqual({ code: 0, output: `${AGENT}\n` });
  expect(lines()).toEqual(['POST /sts', CREATE]);
  expect(requests[1]?.headers.authorization).toBe('Bearer from-file');
});

it('explains how to log in when there are no credentials, and calls nothing', async () => {
  const { code, output } = await run([DONE], ARGUMENTS, { GOOGLE_OAUTH_ACCESS_TOKEN: '' });
  expect(code).toBe(1);
  expect(output).toMatch(/^Google gives no access token: .*\nRun `gcloud auth application-default login`/);
  expect(requests).toEqual([]);
});

it.each([
  ['no service', ['--project', 'orders-example'], '--project and --service are needed.'],
  ['a project with a slash', ['--project', 'a/b', '--service', 'iap.googleapis.com'], '--project'],
  ['a service that is a path', ['--project', 'a', '--service', '../x'], '--service'],
])('rejects %s before it calls Google', async (_name, args, message) => {
  const { code, output } = await run([DONE], args);
  expect([code, output]).toEqual([1, expect.stringContaining(message)]);
  expect(requests).toEqual([]);
});
