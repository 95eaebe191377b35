/**
 * The Pub/Sub lines of docs/consumer.md in examples/worker.ts, with Google's Pub/Sub emulator. Skipped, with the reason, when the
 * emulator is not installed.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PubSub } from '@google-cloud/pubsub';
import { describe, expect, it, vi } from 'vitest';
import { storeEmails } from '../helpers/email-queue.ts';
import { createTestDatabase } from '../helpers/test-database.ts';
import { findPubSubEmulator, startPubSubEmulator } from '../pubsub/pubsub-emulator.ts';
import { EXAMPLES, startWorker } from './example-worker.ts';

const ROOT = join(EXAMPLES, '..');
const LISTEN = ".query('listen email_stored')";

/** Writes worker.ts with the lines of the document into the project, where Node finds its packages. @returns its path */
function writePubSubWorker(subscription: string): string {
  const document = readFileSync(join(ROOT, 'docs/consumer.md'), 'utf8');
  const [, lines = ''] = /^```ts\n([\s\S]*?)^```/m.exec(document) ?? [];
  const [imports = '', ...rest] = lines.split('\n\n');
  const worker = readFileSync(join(EXAMPLES, 'worker.ts'), 'utf8');
  const loop = worker.indexOf('while (!stop');
  expect(worker).toContain(LISTEN);
  const text = [
    imports,
    worker.slice(0, loop).replace(LISTEN, ".query('select')"),
    ...rest,
    worker.slice(loop),
  ]
    .join('\n')
    .replace('projects/PROJECT/subscriptions/SUBSCRIPTION', subscription);
  const folder = join(ROOT, '.local', `pubsub-worker-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'worker.ts'), text);
  return folder;
}

const program = findPubSubEmulator();
const title = `the Pub/Sub worker of docs/consumer.md${program === null ? ' (skipped: the emulator is not installed)' : ''}`;

describe.skipIf(program === null)(title, () => {
  it('completes an email when its message arrives, and ends on SIGTERM', async () => {
    const [db, emulator] = await Promise.all([createTestDatabase(), startPubSubEmulator(program ?? '')]);
    // Otherwise Google's library looks for a metadata server, which takes seconds to time out.
    const env = {
      PUBSUB_EMULATOR_HOST: emulator.host,
      GOOGLE_CLOUD_PROJECT: 'demo',
      METADATA_SERVER_DETECTION: 'none',
    };
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    const pubsub = new PubSub({ projectId: 'demo' });
    const [topic] = await pubsub.createTopic('emails');
    const [subscription] = await topic.createSubscription('workers');
    const folder = writePubSubWorker(subscription.name);
    const worker = startWorker('TypeScript', db, env, join(folder, 'worker.ts'));
    try {
      await worker.waiting();
      const [id = 0] = await storeEmails(db, 1);
      await topic.publishMessage({ json: { email_id: id }, attributes: { email_id: String(id) } });
      await expect.poll(() => worker.idsOf('completed'), { timeout: 30_000 }).toEqual([id]);
      expect(worker.output).toContain(`Email ${id} is stored`);
      expect(await worker.end('SIGTERM')).toBe(0);
    } finally {
      await worker.end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
      await pubsub.close();
      await emulator.kill();
      await db.close();
    }
  });
});
