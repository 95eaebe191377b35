/** What an operator reads when this process has no Google credentials, or unusable ones: of each client, never a permission. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import nock from 'nock';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Bucket } from '../../shared/bucket/bucket.ts';
import { createSchedulerJob } from '../../shared/control/scheduler-job.ts';
import { connectionTo } from '../../shared/db/connection.ts';
import { openDatabase } from '../../shared/db/database.ts';
import type { AppError } from '../../shared/errors.ts';
import { ownAuthorization } from '../../shared/gmail/google-request.ts';
import { EmailsTopic } from '../../shared/handoff/emails-topic.ts';
import { WorkTopic } from '../../shared/ingest/work-topic.ts';

const folder = mkdtempSync(join(tmpdir(), 'email-monitor-credentials-'));
afterAll(() => {
  nock.cleanAll();
  nock.restore();
  rmSync(folder, { recursive: true });
});

/** As on a laptop: no metadata server, and no login unless a case adds one. */
beforeEach(() => {
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '');
  vi.stubEnv('CLOUDSDK_CONFIG', '/nonexistent');
  vi.stubEnv('HOME', '/nonexistent');
  vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
});

function keyFile(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** By the state of the credentials, what the error says of them. The last one is cached by the clients. */
const STATES: readonly (readonly [string, string, () => string])[] = [
  ['are missing', 'has no application default credentials', () => ''],
  ['are in a file that does not exist', 'GOOGLE_APPLICATION_CREDENTIALS', () => '/nonexistent/key.json'],
  [
    'are in a file that is not JSON',
    'GOOGLE_APPLICATION_CREDENTIALS',
    () => keyFile('broken.json', '{"private_key": c2VjcmV0}'),
  ],
  [
    'have expired',
    'Google rejected the credentials',
    () => {
      nock('https://oauth2.googleapis.com')
        .persist()
        .post('/token')
        .reply(400, { error: 'invalid_grant', error_description: 'reauth related error (invalid_rapt)' });
      const user = { type: 'authorized_user', client_id: 'c', client_secret: 's', refresh_token: 'r' };
      return keyFile('expired.json', JSON.stringify(user));
    },
  ],
];

const cloudSql = {
  kind: 'cloud_sql',
  instance: 'p:europe-west1:i',
  database: 'd',
  user: 'u',
  apiRootUrl: null,
} as const;

const CLIENTS: readonly (readonly [string, string, () => Promise<unknown>])[] = [
  [
    'Cloud Scheduler',
    'google_credentials_missing',
    async () =>
      await createSchedulerJob({ job: 'projects/p/locations/l/jobs/j', emulatorHost: null }).pause(),
  ],
  [
    'the topic for stored emails',
    'google_credentials_missing',
    async () => {
      const email = { id: 1, email_id: 1, mailbox: 'm', gmail_message_id: 'g', has_attachments: false };
      throw (await new EmailsTopic('projects/p/topics/t', null).publish('1', [email], 10_000)).error;
    },
  ],
  [
    'the topic for due mailboxes',
    'google_credentials_missing',
    async () => {
      const due = [{ emailAddress: 'orders@example.com', lastRunAt: null }];
      await new WorkTopic('projects/p/topics/t', null).publish(due, 'schedule');
    },
  ],
  [
    'Cloud Storage',
    'bucket_credentials_missing',
    async () => await new Bucket('b', { emulatorUrl: null, iamRootUrl: null }).stat('n'),
  ],
  [
    'Secret Manager',
    'google_credentials_missing',
    async () => await ownAuthorization('https://secretmanager.googleapis.com/'),
  ],
  [
    'the private address of Cloud SQL',
    'database_credentials_missing',
    async () => {
      const db = openDatabase({ target: { ...cloudSql, isPrivate: true }, poolSize: 1 });
      await db.query('select 1').finally(async () => await db.close());
    },
  ],
  [
    'the socket of Cloud SQL',
    'database_credentials_missing',
    async () => {
      const { password } = await connectionTo({ ...cloudSql, isPrivate: false });
      // PostgreSQL asks for the password after the connection, which needs the socket of Cloud Run.
      if (typeof password === 'function') await password();
    },
  ],
];

describe.each(STATES)('Google credentials that %s', (_state, said, path) => {
  beforeEach(() => {
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', path());
  });

  it.each(CLIENTS)('make %s ask for a login', async (_client, code, call) => {
    const error = (await call().then(
      () => null,
      (thrown: unknown) => thrown,
    )) as AppError;
    expect(error).toMatchObject({
      code,
      message: expect.stringContaining(said),
      remediation: expect.stringContaining('gcloud auth application-default login'),
    });
    // The message of a JSON parser quotes the file.
    expect(error.message).not.toContain('c2Vj');
  });
});
