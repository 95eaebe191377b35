/** A function that does not answer in time. test/commands/deploy.test.ts covers the other answers. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { callFunction } from '../../../commands/deploy/deployed-function.ts';

test('reports a function that exceeds the timeout, with the command that reads its log', async () => {
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const call = callFunction({
    name: 'status',
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    token: 'token',
    retryForSeconds: 0,
    signal: new AbortController().signal,
    onRetry: () => undefined,
    permissionRemediation: '',
    logCommand: 'gcloud run services logs read email-monitor-status',
    timeoutMs: 20,
  });

  await expect(call).rejects.toMatchObject({
    message: expect.stringMatching(/^status at \S+ has not answered in 0\.02 s$/),
    remediation: expect.stringContaining('gcloud run services logs read email-monitor-status'),
  });
  server.closeAllConnections();
  server.close();
});
