import { expect, it } from 'vitest';
import { SLICE_BYTES } from '../../shared/bucket/bucket.ts';
import { BUCKET, createBucketFixture } from '../helpers/bucket-fixture.ts';

const TEXT = { contentType: 'text/plain' };
const HELLO = Buffer.from('hello');

it('writes an object once, and says that it exists after that', async () => {
  const { bucket, storage } = await createBucketFixture();
  expect(await bucket.write('a', HELLO, TEXT)).toBe('written');
  expect(await bucket.write('a', Buffer.from('other'), TEXT)).toBe('exists');
  expect(storage.get(BUCKET, 'a')).toMatchObject({
    bytes: HELLO,
    contentType: 'text/plain',
    metageneration: 1,
  });
});

it('reads an object in slices, and distinguishes its end from a missing object', async () => {
  const { bucket, storage } = await createBucketFixture();
  const bytes = Buffer.alloc(SLICE_BYTES + 3, 'x');
  storage.put(BUCKET, 'a', { bytes, contentType: 'text/plain' });
  expect((await bucket.readSlice('a', 0))?.length).toBe(SLICE_BYTES);
  expect((await bucket.readSlice('a', SLICE_BYTES))?.toString()).toBe('xxx');
  expect((await bucket.readSlice('a', bytes.length))?.length).toBe(0);
  expect(await bucket.readSlice('b', 0)).toBeNull();
  expect(await bucket.stat('b')).toBeNull();
});

it('does not delete an object that was touched or uploaded again since its version was read', async () => {
  const { bucket, names } = await createBucketFixture();
  await bucket.write('a', HELLO, TEXT);
  const first = (await bucket.stat('a')) ?? expect.fail();
  expect(await bucket.touch('a')).toBe(true);
  expect(await bucket.remove('a', first)).toBe('changed');
  const second = (await bucket.stat('a')) ?? expect.fail();
  expect(await bucket.remove('a', second)).toBe('removed');
  expect(await bucket.touch('a')).toBe(false);
  await bucket.write('a', HELLO, TEXT);
  expect(await bucket.remove('a', second)).toBe('changed');
  expect(names()).toEqual(['a']);
  expect(await bucket.remove('b', second)).toBe('removed');
});

it('lists all objects page by page', async () => {
  const { bucket, storage } = await createBucketFixture();
  for (let n = 0; n < 1_001; n += 1)
    storage.put(BUCKET, `o${String(n).padStart(4, '0')}`, { bytes: HELLO, contentType: 'text/plain' });
  const first = await bucket.list(null);
  expect(first.objects).toHaveLength(1_000);
  const second = await bucket.list(first.nextPage);
  expect(second.objects.map(({ name }) => name)).toEqual(['o1000']);
  expect(second.nextPage).toBeNull();
});

it('repeats a call after one error of the server, and no more', async () => {
  const { bucket, storage } = await createBucketFixture();
  storage.addFault({ kind: 'status', status: 503, times: 1 });
  expect(await bucket.write('a', HELLO, TEXT)).toBe('written');
  storage.addFault({ kind: 'status', status: 503 });
  await expect(bucket.write('b', HELLO, TEXT)).rejects.toMatchObject({ code: 'bucket_unavailable' });
  expect(storage.calls).toHaveLength(4);
});

it.each([
  ['a rejected permission', 403, 'bucket_denied'],
  ['too many requests', 429, 'bucket_unavailable'],
  ['a server error', 500, 'bucket_unavailable'],
])('maps %s to an error of its own', async (_what, status, code) => {
  const { bucket, storage } = await createBucketFixture();
  storage.addFault({ kind: 'status', status });
  const calls = [
    bucket.write('a', HELLO, TEXT),
    bucket.stat('a'),
    bucket.touch('a'),
    bucket.readSlice('a', 0),
    bucket.list(null),
    bucket.remove('a', { generation: '1', metageneration: '1' }),
  ];
  for (const call of await Promise.allSettled(calls))
    expect(call).toMatchObject({ status: 'rejected', reason: { code } });
});

it('does not take a missing bucket for a missing object', async () => {
  const { bucket, storage } = await createBucketFixture();
  storage.deleteBucket(BUCKET);
  const calls = [
    bucket.write('a', HELLO, TEXT),
    bucket.stat('a'),
    bucket.touch('a'),
    bucket.readSlice('a', 0),
  ];
  for (const call of await Promise.allSettled(calls))
    expect(call).toMatchObject({ status: 'rejected', reason: { code: 'bucket_denied' } });
});

it('ends every call and its request when the bucket does not answer', async () => {
  const { bucket, storage } = await createBucketFixture();
  await bucket.write('a', HELLO, TEXT);
  storage.addFault({ kind: 'hang' });
  const calls = [
    bucket.write('b', HELLO, { ...TEXT, timeoutMs: 50 }),
    bucket.stat('a', 50),
    bucket.touch('a', 50),
    bucket.readSlice('a', 0, 50),
    bucket.remove('a', { generation: '1', metageneration: '1' }, 50),
  ];
  for (const call of await Promise.allSettled(calls))
    expect(call).toMatchObject({ status: 'rejected', reason: { code: 'bucket_unavailable' } });
  expect(storage.calls).toHaveLength(1 + calls.length);
  await expect.poll(() => storage.hangingCount).toBe(0);
});

it('reports a broken download', async () => {
  const { bucket, storage } = await createBucketFixture();
  await bucket.write('a', HELLO, TEXT);
  storage.addFault({ kind: 'truncate', operation: 'read' });
  await expect(bucket.readSlice('a', 0)).rejects.toMatchObject({ code: 'bucket_unavailable' });
});
