/** The collection against stores and crashes: each step of one happens between any two steps of the other. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { StorageError } from '../../emulators/storage/storage-error.ts';
import {
  adoptUnknownObjects,
  collectObjects,
  DAY_SECONDS,
  HOUR_SECONDS,
} from '../../shared/bucket/collect-objects.ts';
import { LargeBytes } from '../../shared/bucket/large-bytes.ts';
import { largeObjectsOf } from '../../shared/bucket/large-objects.ts';
import { type EmailToStore, storeEmail } from '../../shared/db/emails.ts';
import { Deadline } from '../../shared/deadline.ts';
import { BUCKET, type BucketFixture, createBucketFixture, sha256Of } from '../helpers/bucket-fixture.ts';
import { mailboxWithPending, storable } from '../helpers/storable-email.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const FILE = Buffer.alloc(2_000, 'file');

/** A store in two halves: the crash, or another actor, comes between them. */
async function storeInSteps(bucket: BucketFixture) {
  const lease = await mailboxWithPending(db);
  const largeBytes = new LargeBytes(bucket.bucket, 1_024);
  const email = await storable('a');
  const [first, ...others] = email.email.attachments;
  if (first === undefined) return expect.fail();
  const content = Buffer.concat([FILE, Buffer.from(String(lease.mailboxId))]);
  const file = { ...first, content, sizeBytes: content.length, sha256: sha256Of(content) };
  const toStore: EmailToStore = { ...email, email: { ...email.email, attachments: [file, ...others] } };
  const name = `files/${file.sha256}`;
  const upload = async () =>
    await largeBytes.keep(
      db,
      largeObjectsOf(largeBytes, toStore.email.attachments, email.raw),
      Deadline.after(60_000),
    );
  const commit = async (objects: Awaited<ReturnType<typeof upload>>) =>
    await storeEmail(db, lease, { ...toStore, objects });
  const erase = async () =>
    await db.query('delete from incoming_emails where mailbox_id = $1', [lease.mailboxId]);
  return { name, upload, commit, erase, store: async () => await commit(await upload()) };
}

async function passADay(): Promise<void> {
  await db.query("update bucket_objects set reserved_at = reserved_at - interval '25 hours'");
}

async function collect({ bucket }: BucketFixture, minAgeSeconds = DAY_SECONDS) {
  return await collectObjects(db, bucket, { minAgeSeconds });
}

async function announcements(): Promise<unknown[]> {
  return (await db.query('select name from bucket_objects')).rows;
}

it('crash between upload and commit: the object is left for a day, and then deleted', async () => {
  const bucket = await createBucketFixture();
  const { name, upload } = await storeInSteps(bucket);
  await upload();
  expect(await collect(bucket)).toMatchObject({ deletedCount: 0 });
  expect(bucket.names()).toEqual([name]);
  await passADay();
  expect(await collect(bucket)).toMatchObject({ deletedCount: 1 });
  expect(bucket.names()).toEqual([]);
  expect(await announcements()).toEqual([]);
});

it('crash between upload and commit: the retry stores the email, and the collection keeps the object', async () => {
  const bucket = await createBucketFixture();
  const { name, store, upload } = await storeInSteps(bucket);
  await upload();
  await store();
  await passADay();
  expect(await collect(bucket)).toMatchObject({ deletedCount: 0 });
  expect(bucket.names()).toEqual([name]);
  expect(await announcements()).toEqual([]);
});

it('crash between announcement and upload: nothing is left after a day', async () => {
  const bucket = await createBucketFixture();
  const { upload } = await storeInSteps(bucket);
  bucket.storage.addFault({ kind: 'status', status: 503 });
  await expect(upload()).rejects.toMatchObject({ code: 'bucket_unavailable' });
  bucket.storage.clearFaults();
  await passADay();
  expect(await collect(bucket)).toMatchObject({ deletedCount: 0 });
  expect(await announcements()).toEqual([]);
});

it('crash between commit and collection: the collection finds the row and keeps the object', async () => {
  const bucket = await createBucketFixture();
  const { erase, name, store } = await storeInSteps(bucket);
  await store();
  await passADay();
  await collect(bucket);
  expect(bucket.names()).toEqual([name]);
  // And deletes it after the last row is gone, without waiting a day.
  await erase();
  expect(await collect(bucket)).toMatchObject({ deletedCount: 1 });
  expect(bucket.names()).toEqual([]);
});

it('crash of the collection after the delete: the next one finishes, and a store uploads again', async () => {
  const bucket = await createBucketFixture();
  const { commit, name, upload } = await storeInSteps(bucket);
  const objects = await upload();
  await passADay();
  bucket.storage.delete(BUCKET, name);
  expect(await collect(bucket)).toMatchObject({ deletedCount: 0 });
  expect(await announcements()).toEqual([]);
  const again = await upload();
  expect(bucket.names()).toEqual([name]);
  await commit({ ...objects, ...again });
  await passADay();
  await collect(bucket);
  expect(bucket.names()).toEqual([name]);
});

describe('a store at the same time as a collection', () => {
  // The calls of a collection to the bucket. Before each, a whole store, or its upload, takes place.
  it.each([
    ['get', 'store'],
    ['get', 'upload'],
    ['delete', 'store'],
    ['delete', 'upload'],
  ] as const)(
    'keeps the object when, before the %s of the collection, another one does its %s',
    async (operation, step) => {
      const bucket = await createBucketFixture();
      const { commit, name, upload } = await storeInSteps(bucket);
      await upload();
      await passADay();
      let kept: Awaited<ReturnType<typeof upload>> | null = null;
      bucket.storage.beforeCall = async (call) => {
        if (call.operation !== operation) return;
        bucket.storage.beforeCall = () => undefined;
        kept = await upload();
        if (step === 'store') await commit(kept);
      };
      await collect(bucket);
      expect(kept).not.toBeNull();
      if (step === 'upload') await commit(kept ?? expect.fail());
      expect(bucket.names()).toEqual([name]);
      await passADay();
      expect(await collect(bucket)).toMatchObject({ deletedCount: 0 });
      expect(bucket.names()).toEqual([name]);
    },
  );

  it.each(['upload', 'patch'] as const)(
    'keeps the object when a collection runs before the %s of the store',
    async (operation) => {
      const bucket = await createBucketFixture();
      const { name, store, upload } = await storeInSteps(bucket);
      await upload();
      await passADay();
      let deletedCount: number | null = null;
      bucket.storage.beforeCall = async (call) => {
        if (call.operation !== operation) return;
        bucket.storage.beforeCall = () => undefined;
        ({ deletedCount } = await collect(bucket));
      };
      await store();
      expect(deletedCount).toBe(0);
      expect(bucket.names()).toEqual([name]);
    },
  );

  it('keeps the object when the delete of a collection arrives after the store', async () => {
    const bucket = await createBucketFixture();
    const { name, store, upload } = await storeInSteps(bucket);
    await upload();
    const version = (await bucket.bucket.stat(name)) ?? expect.fail();
    await store();
    expect(await bucket.bucket.remove(name, version)).toBe('changed');
    expect(bucket.names()).toEqual([name]);
  });

  it('keeps an object that one of two erased emails shared with a third one', async () => {
    const bucket = await createBucketFixture();
    const one = await storeInSteps(bucket);
    await one.store();
    const lease = await mailboxWithPending(db);
    await db.query(
      `insert into incoming_emails (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version)
       values ($1, 'other', now(), 1, 1, 1)`,
      [lease.mailboxId],
    );
    await db.query(
      `insert into email_attachments (email_id, part_path, filename, content_type, bucket_object, file_size_bytes, sha256)
       select id, '1', 'f', 'text/plain', $2::text, 1, repeat('0', 64) from incoming_emails where mailbox_id = $1`,
      [lease.mailboxId, one.name],
    );
    await one.erase();
    expect(await collect(bucket, HOUR_SECONDS)).toMatchObject({ deletedCount: 0 });
    expect(bucket.names()).toEqual([one.name]);
    await db.query('delete from incoming_emails where mailbox_id = $1', [lease.mailboxId]);
    expect(await collect(bucket, HOUR_SECONDS)).toMatchObject({ deletedCount: 1 });
  });
});

it('says how many objects it leaves because a store has announced them', async () => {
  const bucket = await createBucketFixture();
  const { erase, name, store, upload } = await storeInSteps(bucket);
  await store();
  await upload();
  await erase();
  expect(await collect(bucket, HOUR_SECONDS)).toMatchObject({ deletedCount: 0, reservedCount: 1 });
  expect(bucket.names()).toEqual([name]);
  await passADay();
  expect(await collect(bucket)).toMatchObject({ deletedCount: 1, reservedCount: 0 });
});

it('leaves the rest for the next call when the bucket fails', async () => {
  const bucket = await createBucketFixture();
  const { upload } = await storeInSteps(bucket);
  await upload();
  await passADay();
  bucket.storage.addFault({ kind: 'status', status: 503, operation: 'delete' });
  expect(await collect(bucket)).toMatchObject({ deletedCount: 0, error: { code: 'bucket_unavailable' } });
  bucket.storage.clearFaults();
  expect(await collect(bucket)).toMatchObject({ deletedCount: 1, error: null });
});

describe('with many objects of erased emails', () => {
  const names = Array.from({ length: 120 }, (_, n) => `files/erased-${String(n).padStart(3, '0')}`);

  async function manyErased(): Promise<BucketFixture> {
    const bucket = await createBucketFixture();
    for (const name of names) bucket.storage.put(BUCKET, name, { bytes: FILE, contentType: 'text/plain' });
    await db.query("insert into bucket_objects (name, reserved_at) select unnest($1::text[]), '-infinity'", [
      names,
    ]);
    onTestFinished(async () => {
      await db.query('delete from bucket_objects');
    });
    return bucket;
  }

  it('deletes all of them in one call', async () => {
    const bucket = await manyErased();
    expect(await collect(bucket)).toEqual({ deletedCount: 120, reservedCount: 0, error: null });
    expect(bucket.names()).toEqual([]);
  });

  it('leaves the rest for the next call when its time is over', async () => {
    const bucket = await manyErased();
    let left = 2;
    const hasTime = () => left-- > 0;
    expect(await collectObjects(db, bucket.bucket, { minAgeSeconds: DAY_SECONDS, hasTime })).toMatchObject({
      deletedCount: 16,
    });
    expect(bucket.names()).toHaveLength(104);
  });

  it('deletes all but those that cannot be deleted, and reports the first error', async () => {
    const bucket = await manyErased();
    const held = names.slice(0, 60);
    bucket.storage.beforeCall = ({ name, operation }) => {
      if (operation === 'delete' && held.includes(name ?? ''))
        throw new StorageError(403, `${name} is under active Temporary hold.`);
    };
    expect(await collect(bucket)).toMatchObject({
      deletedCount: 60,
      error: { code: 'bucket_denied', message: expect.stringContaining('files/erased-000') },
    });
    expect(bucket.names()).toEqual(held);
    expect(await announcements()).toHaveLength(60);
  });

  it('ends after a few calls when the bucket does not answer', async () => {
    const bucket = await manyErased();
    bucket.storage.addFault({ kind: 'status', status: 503 });
    expect(await collect(bucket)).toMatchObject({ deletedCount: 0, error: { code: 'bucket_unavailable' } });
    expect(bucket.storage.calls.length).toBeLessThanOrEqual(16);
  });
});

it('finds objects that the database does not know, and deletes those that are old', async () => {
  const bucket = await createBucketFixture();
  const { name, store } = await storeInSteps(bucket);
  await store();
  bucket.storage.put(BUCKET, 'files/unknown', { bytes: FILE, contentType: 'text/plain' });
  expect(await adoptUnknownObjects(db, bucket.bucket)).toBe(1);
  expect(await adoptUnknownObjects(db, bucket.bucket)).toBe(0);
  expect(await collect(bucket)).toMatchObject({ deletedCount: 0 });
  await passADay();
  expect(await collect(bucket)).toMatchObject({ deletedCount: 1 });
  expect(bucket.names()).toEqual([name]);
});
