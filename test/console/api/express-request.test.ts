/** The console as the functions framework calls it: with a request of Express, whose members are getters of its prototype. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { http } from '@google-cloud/functions-framework';
import { getTestServer } from '@google-cloud/functions-framework/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FUNCTIONS } from '../../../functions/runtime/functions.ts';
import { createLazyFunction } from '../../../functions/runtime/lazy-function.ts';
import { createTestSystem, type TestSystem } from '../../helpers/test-system.ts';

let system: TestSystem;
let url: string;
let server: Server;
beforeAll(async () => {
  system = await createTestSystem();
  const { handle } = createLazyFunction(FUNCTIONS.console, system.context);
  http('consoleOfExpress', async (request, response) => {
    const { body, headers, status } = await handle(request);
    response.status(status).set(headers).send(body);
  });
  server = getTestServer('consoleOfExpress');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  await system.close();
});

it.each([
  ['GET', {}],
  ['POST with the method GET in X-HTTP-Method-Override', { 'x-http-method-override': 'GET' }],
])('answers a read by %s', async (name, headers) => {
  const response = await fetch(`${url}/api/console/emails?limit=5`, {
    method: name.split(' ')[0] ?? '',
    headers: { origin: url, ...headers },
  });
  expect([response.status, await response.json()]).toEqual([200, { emails: [], next_before: null }]);
});
