/** Downloads, previews and "parse again" of an email whose bytes are in the bucket. */
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { unzipSync } from 'fflate';
import { beforeEach, describe, expect, it } from 'vitest';
import { SLICE_BYTES } from '../../../shared/bucket/bucket.ts';
import { BUCKET, type BucketFixture, createBucketFixture, sha256Of } from '../../helpers/bucket-fixture.ts';
import { incompressible, orderWithFile } from '../../helpers/test-emails.ts';
import type { TestSystem } from '../../helpers/test-system.ts';
import { useTestSystems } from '../../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
const FILE = Buffer.concat([PNG, incompressible('picture', SLICE_BYTES + 1_000)]);
const OBJECT = `files/${sha256Of(FILE)}`;
const RAW = orderWithFile('large', FILE);
const RAW_OBJECT = `raw/${sha256Of(RAW)}.gz`;

let bucket: BucketFixture;
let system: TestSystem;
let attachmentId: number;
let emailId: number;

beforeEach(async () => {
  bucket = await createBucketFixture();
  system = await createTestSystem({ env: bucket.env });
  system.gmail.deliver(RAW);
  await system.ingest();
  const [row] = await system.rows<{ id: number; email_id: number }>(
    'select id, email_id from email_attachments',
  );
  attachmentId = row?.id ?? 0;
  emailId = row?.email_id ?? 0;
  expect(bucket.names()).toEqual([OBJECT, RAW_OBJECT]);
});

async function get(path: string) {
  return await system.call('console', { method: 'GET', path: `/api/console/${path}` });
}

const bodyOf = async (path: string) => await buffer((await get(path)).body as Readable);
const paths = () => ({
  attachment: `attachments/${attachmentId}`,
  preview: `attachments/${attachmentId}/preview`,
  raw: `emails/${emailId}/raw`,
  files: `emails/${emailId}/files.zip`,
});

describe('a file in the bucket', () => {
  it('is downloaded, previewed and zipped like one in the database', async () => {
    const answered = await get(paths().attachment);
    expect(answered.headers).toMatchObject({
      'content-length': String(FILE.length),
      'content-disposition': expect.stringContaining('order.bin'),
    });
    expect((await buffer(answered.body as Readable)).equals(FILE)).toBe(true);
    await system.rows("update email_attachments set detected_content_type = 'image/png'");
    expect((await bodyOf(paths().preview)).equals(FILE)).toBe(true);
    const files = unzipSync(await bodyOf(paths().files));
    expect(Buffer.from(files['order.bin'] ?? []).equals(FILE)).toBe(true);
  });

  it('breaks the download when its bytes are not those that were stored', async () => {
    const { bytes } = bucket.storage.get(BUCKET, OBJECT);
    bytes[SLICE_BYTES + 500] = (bytes[SLICE_BYTES + 500] ?? 0) ^ 1;
    await expect(bodyOf(paths().attachment)).rejects.toMatchObject({ code: 'bucket_object_missing' });
    await expect(bodyOf(paths().files)).rejects.toMatchObject({ code: 'bucket_object_missing' });
  });

  it('breaks the download when the object is truncated', async () => {
    const object = bucket.storage.get(BUCKET, OBJECT);
    object.bytes = object.bytes.subarray(0, SLICE_BYTES + 1);
    await expect(bodyOf(paths().attachment)).rejects.toMatchObject({ code: 'bucket_object_missing' });
    // Found with the first slice, so it is an answer.
    object.bytes = object.bytes.subarray(0, SLICE_BYTES);
    const { json, status } = await get(paths().attachment);
    expect([status, json.code]).toEqual([500, 'bucket_object_missing']);
  });

  it.each(['attachment', 'preview', 'files'] as const)(
    'gives an error instead of the %s when the object is missing',
    async (kind) => {
      bucket.storage.delete(BUCKET, OBJECT);
      const { json, status } = await get(paths()[kind]);
      expect([status, json.code]).toEqual([500, 'bucket_object_missing']);
      expect(json.remediation).toContain('storage -- verify');
    },
  );

  it('gives an error when the bucket does not answer, or is not set', async () => {
    bucket.storage.addFault({ kind: 'status', status: 503 });
    const unavailable = await get(paths().attachment);
    expect([unavailable.status, unavailable.json.code]).toEqual([503, 'bucket_unavailable']);
    const unset = await system
      .instance({ ATTACHMENTS_BUCKET: '' })
      .call('console', { method: 'GET', path: `/api/console/${paths().attachment}` });
    expect([unset.status, unset.json.code]).toEqual([500, 'bucket_not_set']);
  });
});

describe('a raw email in the bucket', () => {
  it('is downloaded with the exact bytes', async () => {
    expect((await bodyOf(paths().raw)).equals(RAW)).toBe(true);
  });

  it('breaks the download when its object is damaged, and gives an error when it is missing', async () => {
    const { bytes } = bucket.storage.get(BUCKET, RAW_OBJECT);
    bytes[bytes.length - 10] = (bytes[bytes.length - 10] ?? 0) ^ 1;
    await expect(bodyOf(paths().raw)).rejects.toThrow();
    bucket.storage.delete(BUCKET, RAW_OBJECT);
    const { json, status } = await get(paths().raw);
    expect([status, json.code]).toEqual([500, 'bucket_object_missing']);
  });

  it('is parsed again, and a file that is new goes to the bucket', async () => {
    await system.rows(
      "update email_attachments set filename = 'old.bin', bucket_object = null, file_data = 'x', file_size_bytes = 1, sha256 = repeat('0', 64)",
    );
    bucket.storage.delete(BUCKET, OBJECT);
    const { json, status } = await system.call('console', {
      path: `/api/console/emails/${emailId}/reprocess`,
      body: {},
    });
    expect([status, json.result]).toEqual([200, 'changed']);
    expect(await system.rows('select filename, bucket_object, file_data from email_attachments')).toEqual([
      { filename: 'order.bin', bucket_object: OBJECT, file_data: null },
    ]);
    expect(bucket.names()).toEqual([OBJECT, RAW_OBJECT]);
    // Only the row of the object that lost its row: it is referred to again, so the collection keeps it.
    expect(
      await system.rows(
        'select distinct name from bucket_objects where is_bucket_object_referenced(name) is false',
      ),
    ).toEqual([]);
  });

  it('says that the bytes cannot be read when the object is missing', async () => {
    bucket.storage.delete(BUCKET, RAW_OBJECT);
    const { json, status } = await system.call('console', {
      path: `/api/console/emails/${emailId}/reprocess`,
      body: {},
    });
    expect([status, json.code]).toEqual([500, 'raw_unreadable']);
    expect(json.detail).toContain('bucket');
  });
});

it('shows the pictures of the HTML from the bucket', async () => {
  await system.rows('update incoming_emails set body_html = \'<p>Hello</p><img src="cid:logo@x">\'');
  await system.rows(
    "update email_attachments set content_id = '<logo@x>', detected_content_type = 'image/png'",
  );
  const { body } = await get(`emails/${emailId}/html`);
  expect(String(body)).toContain(`data:image/png;base64,${FILE.toString('base64').slice(0, 200)}`);
});
