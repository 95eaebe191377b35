/** Storing emails with large attachments, with the bucket of ATTACHMENTS_BUCKET. */
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { collectObjects } from '../../shared/bucket/collect-objects.ts';
import { grantAll } from '../../shared/db/schema/grants.ts';
import { BUCKET, type BucketFixture, createBucketFixture, sha256Of } from '../helpers/bucket-fixture.ts';
import { accounts, createRoles, dropRoles, urlOf } from '../helpers/database-accounts.ts';
import { incompressible, mail, orderWithFile } from '../helpers/test-emails.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { useIngestSystems } from './scenario.ts';

const { startedSystem } = useIngestSystems();
const FILE = incompressible('file', 4_000);
const FILE_OBJECT = `files/${sha256Of(FILE)}`;

async function systemWithBucket(clockRate = 1): Promise<{ system: TestSystem; bucket: BucketFixture }> {
  const bucket = await createBucketFixture();
  return { bucket, system: await startedSystem({ env: bucket.env, clockRate }) };
}

async function storedRows(system: TestSystem) {
  return await system.rows(
    `select e.subject, r.bucket_object is not null as is_raw_moved, a.bucket_object, a.file_data, a.file_size_bytes
     from incoming_emails e
     join email_raw r on r.email_id = e.id
     left join email_attachments a on a.email_id = e.id
     order by e.subject`,
  );
}

it('records a message whose upload used up most of a run, and status shows it', async () => {
  const { bucket, system } = await systemWithBucket();
  await system.turnOn();
  bucket.storage.addFault({ kind: 'hang' });
  system.gmail.deliver(orderWithFile('large', FILE));
  expect(await system.ingest({ trigger: 'schedule', budgetMs: 5_000 })).toMatchObject({
    outcome: 'out_of_time',
    counts: { stored: 0, failed: 1 },
  });
  expect((await system.call('status')).json).toMatchObject({
    state: 'fetch_failing',
    mailboxes: [{ failing: { count: 1, error_code: 'bucket_unavailable' } }],
  });
});

describe('with a bucket', () => {
  it('stores large attachments and large raw emails there, and the others in the database', async () => {
    const { bucket, system } = await systemWithBucket();
    const raw = orderWithFile('large', FILE);
    system.gmail.deliver(raw);
    system.gmail.deliver(orderWithFile('small', Buffer.from('ten chairs')));
    expect(await system.ingest()).toMatchObject({ outcome: 'completed', counts: { stored: 2, failed: 0 } });

    const rawObject = `raw/${sha256Of(raw)}.gz`;
    expect(bucket.names()).toEqual([FILE_OBJECT, rawObject]);
    expect(bucket.storage.get(BUCKET, FILE_OBJECT)).toMatchObject({ bytes: FILE });
    const stored = bucket.storage.get(BUCKET, rawObject);
    expect(gunzipSync(stored.bytes).equals(raw)).toBe(true);
    expect(await storedRows(system)).toEqual([
      {
        subject: 'Order large',
        is_raw_moved: true,
        bucket_object: FILE_OBJECT,
        file_data: null,
        file_size_bytes: FILE.length,
      },
      {
        subject: 'Order small',
        is_raw_moved: false,
        bucket_object: null,
        file_data: Buffer.from('ten chairs'),
        file_size_bytes: 10,
      },
    ]);
    expect(
      await system.rows('select data, bucket_object, bucket_bytes, sha256 from email_raw where data is null'),
    ).toEqual([
      { data: null, bucket_object: rawObject, bucket_bytes: stored.bytes.length, sha256: sha256Of(raw) },
    ]);
    // The commit has deleted the announcements.
    expect(await system.rows('select * from bucket_objects')).toEqual([]);
  });

  it('stores the same file of many emails once, and does not upload it while a row refers to it', async () => {
    const { bucket, system } = await systemWithBucket();
    for (let n = 0; n < 12; n += 1) system.gmail.deliver(orderWithFile(n, FILE));
    expect(await system.ingest()).toMatchObject({ counts: { stored: 12, failed: 0 } });
    const uploads = () =>
      bucket.storage.calls.filter(({ name, operation }) => operation === 'upload' && name === FILE_OBJECT);
    const before = uploads().length;
    system.gmail.deliver(orderWithFile('later', FILE));
    expect(await system.ingest()).toMatchObject({ counts: { stored: 1 } });
    expect(uploads()).toHaveLength(before);
    expect(bucket.names().filter((name) => name.startsWith('files/'))).toEqual([FILE_OBJECT]);
    expect(
      await system.rows(
        'select count(*)::integer as n from email_attachments where bucket_object is not null',
      ),
    ).toEqual([{ n: 13 }]);
  });

  it('uploads an object again that is missing although a row refers to it', async () => {
    const { bucket, system } = await systemWithBucket();
    system.gmail.deliver(orderWithFile(1, FILE));
    await system.ingest();
    bucket.storage.delete(BUCKET, FILE_OBJECT);
    system.gmail.deliver(orderWithFile(2, FILE));
    expect(await system.ingest()).toMatchObject({ counts: { stored: 1 } });
    expect(bucket.names()).toContain(FILE_OBJECT);
  });

  it('leaves the files to the collection when the database rejects the parsed values', async () => {
    const { bucket, system } = await systemWithBucket();
    await system.db.query("alter table email_attachments add constraint broken check (filename = '')");
    const raw = orderWithFile('rejected', FILE);
    system.gmail.deliver(raw);
    expect(await system.ingest()).toMatchObject({ counts: { stored: 1, failed: 0 } });
    const rawObject = `raw/${sha256Of(raw)}.gz`;
    expect(bucket.names()).toEqual([FILE_OBJECT, rawObject]);

    await system.rows("update bucket_objects set reserved_at = reserved_at - interval '25 hours'");
    const { deletedCount } = await collectObjects(system.db, bucket.bucket, { minAgeSeconds: 86_400 });
    expect(deletedCount).toBe(1);
    expect(bucket.names()).toEqual([rawObject]);
    expect(await system.rows('select bucket_object from email_raw')).toEqual([{ bucket_object: rawObject }]);
    expect(await system.rows('select from bucket_objects')).toEqual([]);
  });

  it('does not refer to an object before its upload has ended', async () => {
    const { bucket, system } = await systemWithBucket();
    const rowCounts: unknown[] = [];
    bucket.storage.beforeCall = async () => {
      rowCounts.push(...(await system.rows('select count(*)::integer as n from email_attachments')));
      rowCounts.push(...(await system.rows('select count(*)::integer as announced from bucket_objects')));
    };
    system.gmail.deliver(orderWithFile(1, FILE));
    await system.ingest();
    expect(rowCounts).toEqual([{ n: 0 }, { announced: 2 }, { n: 0 }, { announced: 2 }]);
  });
});

describe.each([
  [
    'does not answer',
    (bucket: BucketFixture) => bucket.storage.addFault({ kind: 'status', status: 503 }),
    'bucket_unavailable',
  ],
  [
    'denies access',
    (bucket: BucketFixture) => bucket.storage.addFault({ kind: 'status', status: 403 }),
    'bucket_denied',
  ],
  ['is missing', (bucket: BucketFixture) => bucket.storage.deleteBucket(BUCKET), 'bucket_denied'],
])('while the bucket %s', (_what, fail, code) => {
  it('stores small emails, charges nothing to the others, and stores them when it is back', async () => {
    const { bucket, system } = await systemWithBucket();
    await system.turnOn();
    fail(bucket);
    const large = [1, 2, 3].map((n) => system.gmail.deliver(orderWithFile(n, FILE)).id);
    for (let n = 0; n < 5; n += 1) system.gmail.deliver(mail(`Small ${n}`));
    const report = await system.ingest({ trigger: 'schedule' });
    expect(report).toMatchObject({ outcome: 'completed', error: null, counts: { stored: 5, failed: 3 } });
    const waiting = await system.rows<{ gmail_message_id: string }>(
      `select gmail_message_id, attempt_count, error_code, claim_token
       from email_ledger where state = 'pending' order by gmail_message_id`,
    );
    expect(waiting).toEqual(
      large
        .sort()
        .map((id) => ({ gmail_message_id: id, attempt_count: 0, error_code: code, claim_token: null })),
    );

    for (let n = 0; n < 10; n += 1) {
      await system.pass(600);
      await system.ingest({ trigger: 'schedule' });
    }
    expect(await system.rows('select distinct state, attempt_count from email_ledger order by 1')).toEqual([
      { state: 'pending', attempt_count: 0 },
      { state: 'stored', attempt_count: 0 },
    ]);

    bucket.storage.clearFaults();
    bucket.storage.createBucket(BUCKET);
    await system.pass(600);
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ counts: { stored: 3 } });
    expect(
      await system.rows("select count(*)::integer as n from email_ledger where state <> 'stored'"),
    ).toEqual([{ n: 0 }]);
  });

  it('says so in status, with what to do', async () => {
    const { bucket, system } = await systemWithBucket();
    await system.turnOn();
    fail(bucket);
    system.gmail.deliver(orderWithFile(1, FILE));
    await system.ingest({ trigger: 'schedule' });
    const { json } = await system.call('status');
    expect(json).toMatchObject({
      state: 'fetch_failing',
      mailboxes: [{ failing: { count: 1, dead_count: 0, error_code: code } }],
    });
    expect(json.mailboxes[0].failing.remediation).toMatch(/Emails with large attachments wait/);
    expect(json.advice.join(' ')).toMatch(
      new RegExp(
        `1 message of .* cannot be stored \\(last error: ${code}\\).*Emails with large attachments wait`,
      ),
    );
  });
});

it('tries no further upload for a while after the bucket failed', async () => {
  const { bucket, system } = await systemWithBucket();
  bucket.storage.addFault({ kind: 'status', status: 503 });
  for (let n = 0; n < 20; n += 1) system.gmail.deliver(orderWithFile(n, incompressible(String(n), 4_000)));
  await system.ingest();
  // Those that were in flight at the first failure, each tried twice.
  expect(bucket.storage.calls.length).toBeLessThan(20);
});

it('makes no call and no further statement without the setting', async () => {
  const system = await startedSystem();
  system.gmail.deliver(orderWithFile(1, FILE));
  await system.ingest();
  expect(await storedRows(system)).toMatchObject([
    { is_raw_moved: false, bucket_object: null, file_data: FILE },
  ]);
  expect(await system.rows('select last_value, is_called from bucket_objects_id_seq')).toEqual([
    { last_value: 1, is_called: false },
  ]);
});

it('the accounts of poll and of the console are enough to store, to collect, to download and to parse again', async () => {
  const { bucket, system } = await systemWithBucket();
  const { db } = system;
  await createRoles(db);
  try {
    await db.transaction(async (tx) => await grantAll(tx, accounts));
    const poll = system.instance({ DATABASE_URL: urlOf(db, 'ingest') });
    const page = system.instance({ DATABASE_URL: urlOf(db, 'console') });
    await system.turnOn();
    await system.rows("insert into bucket_objects (name, reserved_at) values ('files/old', '-infinity')");
    system.gmail.deliver(orderWithFile(1, FILE));
    expect(await poll.ingest({ trigger: 'schedule' })).toMatchObject({
      outcome: 'completed',
      counts: { stored: 1 },
    });
    expect(await system.rows('select name from bucket_objects')).toEqual([]);

    const [row] = await system.rows<{ id: number; email_id: number }>(
      'select id, email_id from email_attachments',
    );
    const path = `/api/console/attachments/${row?.id}`;
    const download = await page.call('console', { method: 'GET', path });
    expect((await buffer(download.body as Readable)).equals(FILE)).toBe(true);
    await system.rows("update email_attachments set filename = 'old.bin'");
    const parsed = await page.call('console', {
      path: `/api/console/emails/${row?.email_id}/reprocess`,
      body: {},
    });
    expect(parsed.json).toMatchObject({ result: 'changed' });
    expect(await storedRows(system)).toMatchObject([{ bucket_object: FILE_OBJECT, file_data: null }]);
    expect(bucket.names()).toContain(FILE_OBJECT);
  } finally {
    await dropRoles(db);
  }
});

describe('the collection of a scheduled run', () => {
  it('deletes old objects without a row, and neither a push nor a manual run does', async () => {
    const { bucket, system } = await systemWithBucket();
    await system.turnOn();
    bucket.storage.put(BUCKET, 'files/old', { bytes: FILE, contentType: 'text/plain' });
    await system.rows(
      "insert into bucket_objects (name, reserved_at) values ('files/old', now() - interval '25 hours')",
    );
    await system.ingest({ trigger: 'manual' });
    expect(bucket.names()).toEqual(['files/old']);
    await system.ingest({ trigger: 'schedule' });
    expect(bucket.names()).toEqual([]);
    expect(system.log.find((line) => line['event'] === 'objects_collected')).toMatchObject({
      deleted_count: 1,
    });
  });

  it('deletes in one run all objects of the emails that a run of retention can erase', async () => {
    const { bucket, system } = await systemWithBucket(0);
    await system.turnOn();
    for (let n = 0; n < 200; n += 1)
      bucket.storage.put(BUCKET, `files/${n}`, { bytes: FILE, contentType: 'text/plain' });
    await system.rows(
      "insert into bucket_objects (name, reserved_at) select 'files/' || n, '-infinity' from generate_series(0, 199) n",
    );
    await system.ingest({ trigger: 'schedule' });
    expect(bucket.names()).toEqual([]);
    expect(system.log.find((line) => line['event'] === 'objects_collected')).toMatchObject({
      deleted_count: 200,
    });
  });

  it('does not fail the run when the bucket fails, and says why', async () => {
    const { bucket, system } = await systemWithBucket();
    await system.turnOn();
    bucket.storage.addFault({ kind: 'status', status: 403 });
    await system.rows("insert into bucket_objects (name, reserved_at) values ('files/old', '-infinity')");
    system.gmail.deliver(mail('Small'));
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({
      outcome: 'completed',
      counts: { stored: 1 },
    });
    expect(system.log.find((line) => line['event'] === 'collection_failed')).toMatchObject({
      severity: 'ERROR',
      error_code: 'bucket_denied',
      remediation: expect.stringContaining('roles/storage.objectUser'),
    });
  });
});
