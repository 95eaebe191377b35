/** What is said of a function that keeps its caller waiting. The other answers: test/commands/deploy.test.ts. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { callFunction } from '../../../commands/deploy/deployed-function.ts';

test('a function that is still at work after all the time is not said to be away', async () => {
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const call = callFunction({
    name: 'migrate',
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    method: 'POST',
    token: 'token',
    patienceSeconds: 0,
    signal: new AbortController().signal,
    onWait: () => undefined,
    cureOfRefusal: '',
    logCommand: 'gcloud run services logs read email-monitor-migrate',
    answerMs: 20,
  });

  await expect(call).rejects.toMatchObject({
    message: expect.stringMatching(/^migrate at \S+ has not answered in 0\.02 s, and may still be at work$/),
    remediation: expect.stringContaining('gcloud run services logs read email-monitor-migrate'),
  });
  server.closeAllConnections();
  server.close();
});
