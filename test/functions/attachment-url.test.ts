import { createHash, verify } from 'node:crypto';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type RunningSigner, startEmulatedSigner } from '../../emulators/iam/sign-blob.ts';
import { grantAll } from '../../shared/db/schema/grants.ts';
import { BUCKET, type BucketFixture, createBucketFixture, sha256Of } from '../helpers/bucket-fixture.ts';
import { accounts, createRoles, dropRoles, urlOf } from '../helpers/database-accounts.ts';
import { incompressible, orderWithFile } from '../helpers/test-emails.ts';
import type { Instance, TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
const FILE = incompressible('file', 4_000);

let bucket: BucketFixture;
let signer: RunningSigner;
let system: TestSystem;
let large: number;
let small: number;

beforeEach(async () => {
  bucket = await createBucketFixture();
  signer = await startEmulatedSigner();
  onTestFinished(async () => await signer.close());
  system = await createTestSystem({ env: { ...bucket.env, IAM_CREDENTIALS_API_ROOT_URL: signer.rootUrl } });
  system.gmail.deliver(orderWithFile('large', FILE));
  await system.ingest();
  system.gmail.deliver(orderWithFile('small', Buffer.from('ten chairs')));
  await system.ingest();
  const rows = await system.rows<{ id: number }>(
    'select id from email_attachments order by file_size_bytes desc',
  );
  [large, small] = rows.map(({ id }) => id) as [number, number];
});

async function ask(query: Record<string, string>, on: Pick<TestSystem, 'call'> = system) {
  return await on.call('attachmentUrl', { method: 'GET', query });
}

it('answers with a URL from which the bytes can be downloaded for 15 minutes', async () => {
  const before = Date.now();
  const { json, status } = await ask({ id: String(large) });
  expect(status).toBe(200);
  expect(json).toMatchObject({
    filename: 'order.bin',
    content_type: 'application/octet-stream',
    size_bytes: FILE.length,
    sha256: sha256Of(FILE),
  });
  const expiresInMs = new Date(json.expires_at).getTime() - before;
  expect(expiresInMs).toBeGreaterThan(14 * 60_000);
  expect(expiresInMs).toBeLessThan(16 * 60_000);

  const url = new URL(json.url);
  expect(url.pathname).toBe(`/${BUCKET}/files/${sha256Of(FILE)}`);
  // The name of the file comes from the email.
  expect(json.url).not.toContain('order.bin');
  expect(Number(url.searchParams.get('X-Goog-Expires'))).toBeLessThanOrEqual(901);
  const download = await fetch(url);
  expect(Buffer.from(await download.arrayBuffer()).equals(FILE)).toBe(true);
  expect(download.headers.get('content-disposition')).toBe(`attachment; filename="attachment-${large}.bin"`);
  expect(download.headers.get('content-type')).toBe('application/octet-stream');
});

it('has the URL signed by IAM Credentials, in the form of version 4', async () => {
  const { json } = await ask({ id: String(large) });
  expect(signer.signedFor).toEqual(['attachment-url@emulator.example.com']);
  const url = new URL(json.url);
  const signature = Buffer.from(url.searchParams.get('X-Goog-Signature') ?? '', 'hex');
  url.searchParams.delete('X-Goog-Signature');
  const query = [...url.searchParams]
    .map(([name, value]) => [encodeURIComponent(name), encodeURIComponent(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const request = ['GET', url.pathname, query, `host:${url.hostname}\n`, 'host', 'UNSIGNED-PAYLOAD'].join(
    '\n',
  );
  const date = url.searchParams.get('X-Goog-Date') ?? '';
  const signed = [
    'GOOG4-RSA-SHA256',
    date,
    `${date.slice(0, 8)}/auto/storage/goog4_request`,
    createHash('sha256').update(request).digest('hex'),
  ].join('\n');
  expect(verify('RSA-SHA256', Buffer.from(signed), signer.publicKey, signature)).toBe(true);
});

it('answers 409 for bytes in the database, and names attachment_data', async () => {
  const { json, status } = await ask({ id: String(small) });
  expect([status, json.code]).toEqual([409, 'bytes_in_database']);
  expect(json.remediation).toContain('attachment_data(id)');
});

it.each([
  ['an unknown id', { id: '2000000000' }, 404, 'not_found'],
  ['no id', {}, 400, 'bad_request'],
  ['an id that is no number', { id: '1e3' }, 400, 'bad_request'],
  ['an id that is too large', { id: '9999999999' }, 400, 'bad_request'],
  ['another parameter', { id: '1', name: 'x' }, 400, 'bad_request'],
])('rejects %s', async (_what, query: Record<string, string>, status, code) => {
  const answered = await ask(query);
  expect([answered.status, answered.json.code]).toEqual([status, code]);
});

it('says what to grant when IAM refuses to sign', async () => {
  signer.failsWith = 403;
  const { json, status } = await ask({ id: String(large) });
  expect([status, json.code]).toEqual([502, 'url_signing_denied']);
  expect(json.detail).toContain('signBlob');
});

it('says that the bucket is not set when a row refers to an object', async () => {
  const { json, status } = await ask({ id: String(large) }, system.instance({ ATTACHMENTS_BUCKET: '' }));
  expect([status, json.code]).toEqual([500, 'bucket_not_set']);
});

describe('its database account', () => {
  it('is enough, and reads neither bytes nor emails', async () => {
    const { db } = system;
    await createRoles(db);
    await db.transaction(async (tx) => await grantAll(tx, accounts));
    const instance = system.instance({ DATABASE_URL: urlOf(db, 'attachment_url') });
    try {
      await expectOnlyUrls(instance);
    } finally {
      await dropRoles(db);
    }
  });

  async function expectOnlyUrls(instance: Instance): Promise<void> {
    expect((await ask({ id: String(large) }, instance)).status).toBe(200);
    for (const sql of [
      'select file_data from email_attachments',
      'select id from incoming_emails',
      'select data from email_raw',
    ])
      await expect(instance.context.db.query(sql)).rejects.toMatchObject({ code: 'database_denied' });
  }
});

describe('attachment_data', () => {
  it('raises an error of its own for bytes in the bucket, with the object and the function to call', async () => {
    const error = await system.db
      .query('select attachment_data($1::integer)', [large])
      .catch((thrown: Error) => thrown.cause);
    expect(error).toMatchObject({
      code: 'QE007',
      message: expect.stringContaining(`files/${sha256Of(FILE)}`),
      hint: expect.stringContaining('attachmentUrl'),
    });
    expect(await system.rows('select attachment_data($1::integer) as bytes', [small])).toEqual([
      { bytes: Buffer.from('ten chairs') },
    ]);
  });
});
