/** The second account of the emulated Gmail: a mailbox can be added without Google. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { SECOND_ADDRESS } from '../../local/mailbox.ts';
import { freePort } from '../../local/ports.ts';
import { type Stack, startStack } from '../../local/stack.ts';
import { runToEnd } from '../helpers/command-process.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';
import { order } from '../helpers/test-emails.ts';

vi.setConfig({ testTimeout: 90_000 });

let dataFolder: string;
let db: TestDatabase;
let stack: Stack;
beforeEach(async () => {
  dataFolder = mkdtempSync(join(tmpdir(), 'email-monitor-second-'));
  db = await createTestDatabase();
  const env = { DATABASE_URL: db.url, PORT: String(await freePort()), LOG_LEVEL: 'error' };
  stack = await startStack({ env, mailboxFolder: null, dataFolder, logFormat: 'json' });
});
afterEach(async () => {
  await stack.stop();
  await db.close();
  rmSync(dataFolder, { recursive: true });
});

async function post(port: number, path: string, body: object = {}) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
}

it('can be added to the local stack, and its emails are stored', async () => {
  await post(stack.ports.console, '/api/system/email-monitor/start');
  const added = await runToEnd('mailbox', ['add', SECOND_ADDRESS], {
    LOCAL_DATA_DIR: dataFolder,
    DATABASE_URL: db.url,
  });
  expect(added).toMatchObject({ code: 0 });
  const raw = order(4711).toString('base64');
  await post(stack.ports.gmail, `/control/deliver?account=${SECOND_ADDRESS}`, { raw });
  await post(stack.ports.console, `/api/system/email-monitor/poll-now?mailbox=${SECOND_ADDRESS}`);
  const { rows } = await db.query(
    `select e.subject
     from incoming_emails e
     join mailboxes m on m.id = e.mailbox_id
     where m.email_address = $1`,
    [SECOND_ADDRESS],
  );
  expect(rows).toEqual([{ subject: 'Order 4711' }]);
});
