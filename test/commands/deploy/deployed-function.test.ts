/** A function that does not answer in time. test/commands/deploy.test.ts covers the other answers. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { callFunction } from '../../../commands/deploy/deployed-function.ts';

test('reports a function that exceeds the timeout as possibly still running', async () => {
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const call = callFunction({
    name: 'migrate',
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    method: 'POST',
    token: 'token',
    retryForSeconds: 0,
    signal: new AbortController().signal,
    onRetry: () => undefined,
    permissionRemediation: '',
    logCommand: 'gcloud run services logs read email-monitor-migrate',
    timeoutMs: 20,
  });

  await expect(call).rejects.toMatchObject({
    message: expect.stringMatching(/^migrate at \S+ has not answered in 0\.02 s and may still be running$/),
    remediation: expect.stringContaining('gcloud run services logs read email-monitor-migrate'),
  });
  server.closeAllConnections();
  server.close();
});
