import { afterAll, beforeAll, expect, it } from 'vitest';
import { LargeBytes } from '../../shared/bucket/large-bytes.ts';
import type { Queryable } from '../../shared/db/database.ts';
import { Deadline } from '../../shared/deadline.ts';
import { AppError } from '../../shared/errors.ts';
import { BUCKET, createBucketFixture } from '../helpers/bucket-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const object = (name: string) => ({
  name,
  bytes: Buffer.from(`bytes of ${name}`),
  contentType: 'text/plain',
});
const long = () => Deadline.after(60_000);

async function fixture(callTimeoutMs?: number) {
  const made = await createBucketFixture(callTimeoutMs);
  let nowMs = 0;
  const largeBytes = new LargeBytes(made.bucket, 1_024, () => nowMs);
  return { ...made, largeBytes, pass: (ms: number) => (nowMs += ms) };
}

async function announced(name: string): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>(
    'select id from bucket_objects where name = $1 order by id',
    [name],
  );
  return rows.map(({ id }) => id);
}

it('commits the announcement before it looks at the bucket, and returns its rows', async () => {
  const { largeBytes, storage } = await fixture();
  const seen: number[][] = [];
  storage.beforeCall = async ({ name }) => {
    seen.push(await announced(name ?? ''));
  };
  const { names, reservationIds } = await largeBytes.keep(db, [object('a'), object('a')], long());
  expect([...names]).toEqual(['a']);
  expect(seen).toEqual([[...reservationIds]]);
  expect(reservationIds).toHaveLength(1);
});

it('gives an object that exists without a row another version, so that a collection in progress fails', async () => {
  const { bucket, largeBytes, storage } = await fixture();
  await bucket.write('b', Buffer.from('left by a crash'), { contentType: 'text/plain' });
  const version = (await bucket.stat('b')) ?? expect.fail();
  await largeBytes.keep(db, [object('b')], long());
  expect(await bucket.remove('b', version)).toBe('changed');
  expect(storage.calls.map(({ operation }) => operation)).toEqual([
    'upload',
    'get',
    'upload',
    'patch',
    'delete',
  ]);
});

it('uploads an object again that a collection deleted after the upload was refused', async () => {
  const { bucket, largeBytes, names, storage } = await fixture();
  await bucket.write('c', Buffer.from('left by a crash'), { contentType: 'text/plain' });
  storage.beforeCall = ({ operation }) => {
    if (operation !== 'patch') return;
    storage.beforeCall = () => undefined;
    storage.delete(BUCKET, 'c');
  };
  await largeBytes.keep(db, [object('c')], long());
  expect(names()).toEqual(['c']);
  expect(storage.get(BUCKET, 'c').bytes.toString()).toBe('bytes of c');
});

it('uploads the same object of two emails that are stored at once a single time', async () => {
  const { largeBytes, storage } = await fixture();
  await Promise.all([largeBytes.keep(db, [object('d')], long()), largeBytes.keep(db, [object('d')], long())]);
  expect(storage.calls.filter(({ operation }) => operation === 'upload').length).toBeLessThanOrEqual(2);
  expect(await announced('d')).toHaveLength(2);
});

it('uploads an object itself when the run that was uploading it is out of time', async () => {
  const { largeBytes, names, storage } = await fixture();
  storage.addFault({ kind: 'status', status: 503, operation: 'upload', times: 2 });
  const joined = Promise.withResolvers<void>();
  let queries = 0;
  const watched = {
    query: async (...args: Parameters<Queryable['query']>) => {
      const result = await db.query(...args);
      queries += 1;
      if (queries === 2) setImmediate(joined.resolve);
      return result;
    },
  } as Queryable;
  let nowMs = 0;
  let other: Promise<unknown> | null = null;
  storage.beforeCall = async () => {
    if (other !== null) return;
    other = largeBytes.keep(watched, [object('g')], long());
    await joined.promise;
    nowMs = 10_000;
  };
  const deadline = Deadline.after(2_000, () => nowMs);
  await expect(largeBytes.keep(db, [object('g')], deadline)).rejects.toMatchObject({ code: 'out_of_time' });
  await expect(other).resolves.toMatchObject({ names: new Set(['g']) });
  expect(names()).toEqual(['g']);
});

it('fails as unavailable when the bucket does not answer, and at once until the pause is over', async () => {
  const { largeBytes, pass, storage } = await fixture(50);
  storage.addFault({ kind: 'hang', times: 1 });
  await expect(largeBytes.keep(db, [object('e')], long())).rejects.toMatchObject({
    code: 'bucket_unavailable',
  });
  expect(largeBytes.isPaused).toBe(true);
  await expect(largeBytes.keep(db, [object('e')], long())).rejects.toMatchObject({
    code: 'bucket_unavailable',
  });
  expect(storage.calls).toHaveLength(1);
  pass(10_001);
  expect(largeBytes.isPaused).toBe(false);
  await largeBytes.keep(db, [object('e')], long());
});

it('runs out of time, and does not blame the bucket, when the deadline ends a call', async () => {
  const { largeBytes, storage } = await fixture();
  storage.addFault({ kind: 'hang' });
  await expect(largeBytes.keep(db, [object('f')], Deadline.after(50))).rejects.toMatchObject({
    code: 'out_of_time',
  });
  await expect(largeBytes.keep(db, [object('f')], Deadline.after(0))).rejects.toMatchObject({
    code: 'out_of_time',
  });
  expect(largeBytes.isPaused).toBe(false);
});

it('blames a bucket that has not answered for seconds, also when the deadline ended the call', async () => {
  const { bucket } = await fixture();
  let nowMs = 0;
  const hanging = Object.assign(Object.create(bucket), {
    callTimeoutMs: 30_000,
    write: async (_name: string, _bytes: Uint8Array, { timeoutMs }: { timeoutMs: number }) => {
      nowMs += timeoutMs;
      throw new AppError('bucket_unavailable', 'No answer in time.');
    },
  });
  const largeBytes = new LargeBytes(hanging, 1_024, () => nowMs);
  const keep = async (runMs: number, leftMs = runMs) => {
    const deadline = Deadline.after(runMs, () => nowMs);
    nowMs += runMs - leftMs;
    await largeBytes.keep(db, [object('i')], deadline);
  };
  await expect(keep(60_000, 4_000)).rejects.toMatchObject({ code: 'out_of_time' });
  // A run of less than ten seconds has less time for each call.
  await expect(keep(9_000, 2_000)).rejects.toMatchObject({ code: 'out_of_time' });
  expect(largeBytes.isPaused).toBe(false);
  await expect(keep(9_000, 4_000)).rejects.toMatchObject({ code: 'bucket_unavailable' });
  nowMs += 60_000;
  await expect(keep(60_000, 6_000)).rejects.toMatchObject({ code: 'bucket_unavailable' });
  expect(largeBytes.isPaused).toBe(true);
});

it('waits for the upload of another run no longer than until its own deadline', async () => {
  const { largeBytes, names, storage } = await fixture();
  const uploading = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  storage.beforeCall = async () => {
    uploading.resolve();
    await answer.promise;
  };
  const other = largeBytes.keep(db, [object('h')], long());
  await uploading.promise;
  const late = largeBytes.keep(db, [object('h')], Deadline.after(50));
  await expect(late).rejects.toMatchObject({ code: 'out_of_time' });
  answer.resolve();
  await expect(other).resolves.toMatchObject({ names: new Set(['h']) });
  expect(names()).toEqual(['h']);
});
