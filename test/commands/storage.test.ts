import { beforeEach, describe, expect, it, vi } from 'vitest';
import { BUCKET, type BucketFixture, createBucketFixture, sha256Of } from '../helpers/bucket-fixture.ts';
import { runToEnd } from '../helpers/command-process.ts';
import { incompressible, orderWithFile } from '../helpers/test-emails.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

// Each command is a separate process, which starts slowly on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const createTestSystem = useTestSystems();
const FILES = ['a', 'b', 'c'].map((seed) => incompressible(seed, 4_000));
const OBJECTS = FILES.map((file) => `files/${sha256Of(file)}`).sort();
const RAWS = FILES.map((file, n) => orderWithFile(n, file));
const ALL = [...OBJECTS, ...RAWS.map((raw) => `raw/${sha256Of(raw)}.gz`).sort()];

let bucket: BucketFixture;
let system: TestSystem;

/** Three emails with a large file each, and one without, all in the database. */
beforeEach(async () => {
  bucket = await createBucketFixture();
  system = await createTestSystem();
  for (const raw of RAWS) system.gmail.deliver(raw);
  system.gmail.deliver(orderWithFile('small', Buffer.from('ten chairs')));
  await system.ingest();
});

async function storage(...args: string[]) {
  return await storageWith({}, ...args);
}

async function storageWith(env: Readonly<Record<string, string | undefined>>, ...args: string[]) {
  return await runToEnd('storage', args, { DATABASE_URL: system.db.url, ...bucket.env, ...env });
}

/** The bucket of Google, on a machine without a login. */
const NO_LOGIN = {
  STORAGE_EMULATOR_HOST: undefined,
  HOME: '/nonexistent',
  METADATA_SERVER_DETECTION: 'none',
};

async function contents() {
  return await system.rows(
    `select a.sha256, encode(sha256(a.file_data), 'hex') = a.sha256 as is_here, a.bucket_object,
            r.data is not null as is_raw_here, r.bucket_object as raw_object
     from email_attachments a
     join email_raw r on r.email_id = a.email_id
     order by a.sha256`,
  );
}

describe('npm run storage', () => {
  it('moves large bytes to the bucket and back, and each is readable in between', async () => {
    const before = await contents();
    expect(bucket.names()).toEqual([]);
    const there = await storage('move', '--to', 'bucket');
    expect(there).toEqual({ code: 0, output: expect.stringContaining('Moved 6 files to the bucket') });
    expect(bucket.names()).toEqual(ALL);
    expect(await system.rows('select count(*)::integer as n from bucket_objects')).toEqual([{ n: 0 }]);
    const moved = await contents();
    expect(moved.filter((row) => row['bucket_object'] !== null && row['raw_object'] !== null)).toHaveLength(
      3,
    );
    expect(moved.filter((row) => row['is_here'] === true && row['is_raw_here'] === true)).toHaveLength(1);
    expect((await storage('verify')).code).toBe(0);

    const again = await storage('move', '--to', 'bucket');
    expect(again.output).toContain('Moved 0 files');

    const back = await storage('move', '--to', 'database');
    expect(back.output).toContain('Moved 6 files to the database');
    expect(back.output).toContain('Deleted 6 objects');
    expect(back.code).toBe(0);
    expect(await contents()).toEqual(before);
    expect(bucket.names()).toEqual([]);
  });

  it('continues after it was interrupted', async () => {
    let uploads = 0;
    bucket.storage.beforeCall = ({ operation }) => {
      if (operation !== 'upload') return;
      uploads += 1;
      // Each upload is tried twice.
      if (uploads === 3) bucket.storage.addFault({ kind: 'status', status: 503, times: 2 });
    };
    const first = await storage('move', '--to', 'bucket');
    expect(first.code).not.toBe(0);
    expect(first.output).toContain('does not answer');
    const moved = (await contents()).filter((row) => row['bucket_object'] !== null);
    expect(moved).toHaveLength(2);
    expect((await storage('move', '--to', 'bucket')).code).toBe(0);
    expect(bucket.names()).toEqual(ALL);
  });

  it('does not move bytes that do not have their SHA-256', async () => {
    await system.rows(
      "update email_attachments set sha256 = repeat('0', 64) where filename = 'order.bin' and sha256 = $1",
      [sha256Of(FILES[0] ?? '')],
    );
    const { code, output } = await storage('move', '--to', 'bucket');
    expect(code).toBe(1);
    expect(output).toMatch(/attachment \d+ of email \d+: damaged in the database. It was not moved/);
    expect(bucket.names()).not.toContain(`files/${'0'.repeat(64)}`);
  });

  it('verify finds a flipped byte and a missing object, by attachment and object', async () => {
    await storage('move', '--to', 'bucket');
    const [flipped = '', missing = ''] = OBJECTS;
    const { bytes } = bucket.storage.get(BUCKET, flipped);
    bytes[1_234] = (bytes[1_234] ?? 0) ^ 1;
    bucket.storage.delete(BUCKET, missing);
    const [raw = ''] = ALL.filter((name) => name.startsWith('raw/'));
    const stored = bucket.storage.get(BUCKET, raw);
    stored.bytes = stored.bytes.subarray(0, stored.bytes.length - 20);
    const rows = await system.rows<{ name: string; what: string }>(
      `select bucket_object as name, 'attachment ' || id || ' of email ' || email_id as what
       from email_attachments
       where bucket_object is not null`,
    );
    const whatOf = (name: string) => rows.find((row) => row.name === name)?.what;

    const { code, output } = await storage('verify');
    expect(code).toBe(1);
    expect(output).toContain('Verified 6 objects: 3 correct, 3 missing or damaged.');
    expect(output).toContain(`${whatOf(flipped)}: object ${flipped} is damaged`);
    expect(output).toContain(`${whatOf(missing)}: object ${missing} is missing`);
    expect(output).toMatch(new RegExp(`the raw bytes of email \\d+: object ${raw} is damaged`));

    const short = await storage('verify', '--list', '1');
    expect(short.output.match(/object \S+ is/g)).toHaveLength(1);
    expect(short.output).toContain('and 2 more');

    const back = await storage('move', '--to', 'database');
    expect(back.code).toBe(1);
    expect(back.output).toContain('Moved 3 files to the database');
    expect(back.output).toMatch(/attachment \d+ of email \d+: missing in the object/);
  });

  it('verify finds every object again after reprocess has read the email of a missing one', async () => {
    await storage('move', '--to', 'bucket');
    const [missing = ''] = OBJECTS;
    bucket.storage.delete(BUCKET, missing);
    const [row] = await system.rows<{ email_id: number }>(
      'select email_id from email_attachments where bucket_object = $1',
      [missing],
    );
    const args = ['--id', String(row?.email_id), '--apply'];
    const { code } = await runToEnd('reprocess', args, { DATABASE_URL: system.db.url, ...bucket.env });
    expect([code, (await storage('verify')).output]).toEqual([
      0,
      expect.stringContaining('Verified 6 objects: 6 correct'),
    ]);
  });

  it('collect deletes no object of another database', async () => {
    for (const name of ['files/a', 'files/b'])
      bucket.storage.put(BUCKET, name, { bytes: Buffer.from('x'), contentType: 'text/plain' });
    expect((await storage('collect')).output).toContain(
      'The database does not know 2 objects of the bucket.',
    );
    const { code, output } = await storage('collect', '--unknown');
    expect([code, output]).toEqual([1, expect.stringContaining('may be the wrong database')]);
    // They are not announced either, so no run deletes them later.
    expect(await system.rows('select from bucket_objects')).toEqual([]);

    await storage('move', '--to', 'bucket');
    await storage('move', '--to', 'database');
    expect(await system.rows('select from bucket_objects')).toEqual([]);
    expect(bucket.names()).toEqual(['files/a', 'files/b']);
  });

  it('collect --unknown deletes old objects that the database does not know, and no others', async () => {
    await storage('move', '--to', 'bucket');
    bucket.storage.put(BUCKET, 'files/unknown', { bytes: Buffer.from('x'), contentType: 'text/plain' });
    expect((await storage('collect', '--unknown')).output).toContain('Deleted 0 objects');
    await system.rows("update bucket_objects set reserved_at = reserved_at - interval '25 hours'");
    const { code, output } = await storage('collect');
    expect([code, output]).toEqual([0, expect.stringContaining('Deleted 1 object to which no row refers')]);
    expect(bucket.names()).toEqual(ALL);
  });

  it('asks for a login when this machine has no Google credentials', async () => {
    for (const args of [['collect'], ['move', '--to', 'bucket']]) {
      const { code, output } = await storageWith(NO_LOGIN, ...args);
      expect([code, output]).toEqual([1, expect.stringContaining('gcloud auth application-default login')]);
      expect(output).not.toMatch(/objectUser|Moved 0/);
    }
  });

  it('verify says that there is nothing to verify when no row refers to an object', async () => {
    const { code, output } = await storageWith(NO_LOGIN, 'verify');
    expect([code, output]).toEqual([0, 'No stored bytes are in a bucket: nothing to verify.\n']);
  });

  it('move --to database says nothing of moved files when it cannot begin, and their number when it stops later', async () => {
    await storage('move', '--to', 'bucket');
    bucket.storage.addFault({ kind: 'status', status: 403, operation: 'read' });
    const none = await storage('move', '--to', 'database');
    expect([none.code, none.output]).toEqual([1, expect.stringContaining('denies access')]);
    expect(none.output).not.toContain('Moved');
    bucket.storage.clearFaults();
    let reads = 0;
    bucket.storage.beforeCall = ({ operation }) => {
      if (operation !== 'read') return;
      reads += 1;
      if (reads === 3) bucket.storage.addFault({ kind: 'status', status: 503, times: 2 });
    };
    const some = await storage('move', '--to', 'database');
    expect([some.code, some.output]).toEqual([1, expect.stringContaining('Moved 2 files to the database')]);
  });

  it('move --to database has nothing to do without bytes in the bucket, and does not ask the bucket', async () => {
    bucket.storage.deleteBucket(BUCKET);
    const { code, output } = await storage('move', '--to', 'database');
    expect([code, output]).toEqual([0, expect.stringContaining('Moved 0 files to the database')]);
  });

  it('says how many objects a store in progress may need, and when they are deleted', async () => {
    await storage('move', '--to', 'bucket');
    await system.rows(
      `insert into bucket_objects (name, reserved_at)
       select bucket_object, '2126-01-01T10:00:00Z'
       from email_attachments
       where bucket_object is not null
       order by id
       limit 2`,
    );
    const left =
      /2 objects stay: an upload of each began less than a day ago, and its store may be in progress\.[\s\S]*storage -- collect` after 2126-01-02T10:00Z/;
    const back = await storage('move', '--to', 'database');
    expect([back.code, back.output]).toEqual([0, expect.stringContaining('Deleted 4 objects')]);
    expect(back.output).toMatch(left);
    const collected = await storage('collect');
    expect([collected.code, collected.output]).toEqual([0, expect.stringContaining('Deleted 0 objects')]);
    expect(collected.output).toMatch(left);
  });

  it.each([
    [[], 'Say what to do'],
    [['move'], '--to bucket or --to database'],
    [['move', '--to', 'disk'], 'bucket or database'],
    [['verify', '--to', 'bucket'], '--to needs move'],
    [['verify', '--unknown'], '--unknown needs collect'],
    [['collect', '--list', '3'], '--list needs verify or move'],
  ])('explains wrong arguments: %j', async (args, text) => {
    const { code, output } = await storage(...args);
    expect([code, output]).toEqual([1, expect.stringContaining(text)]);
  });
});

it('needs ATTACHMENTS_BUCKET', async () => {
  const { code, output } = await runToEnd('storage', ['verify'], { DATABASE_URL: system.db.url });
  expect([code, output]).toEqual([1, expect.stringContaining('Set ATTACHMENTS_BUCKET')]);
});
