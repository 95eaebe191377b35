import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { storeEmail } from '../../shared/db/emails.ts';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { parseInWorker, parseOffThread } from '../../shared/mime/parse-off-thread.ts';
import { mailboxWithPending, storable } from '../helpers/storable-email.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';
import { base64Lines, HEAD, mail, multipart, part } from './mail-builder.ts';

const FILE = Buffer.alloc(1_500_000, 'pallets of B-7 ');
const MESSAGE = mail(
  ...HEAD,
  ...multipart(
    'mixed',
    'b',
    part(['Content-Type: text/plain'], 'Four pallets.'),
    part(['Content-Type: application/x; name=a.x', 'Content-Transfer-Encoding: base64'], base64Lines(FILE)),
    part(['Content-Type: application/x; name=b.x'], FILE),
    part(
      ['Content-Type: application/x; name=c.x', 'Content-Transfer-Encoding: base64'],
      base64Lines(Buffer.from('small')),
    ),
  ),
);

test('parses a large email in a thread with the same result as in the caller, and leaves the bytes unchanged', async () => {
  const before = Buffer.from(MESSAGE);
  const email = await parseOffThread(MESSAGE);
  expect(email).toEqual(await parseEmail(MESSAGE));
  expect(MESSAGE.equals(before)).toBe(true);
  expect(email.attachments.map(({ content }) => content.length)).toEqual([FILE.length, FILE.length, 5]);
});

test('keeps the event loop responsive while a large email is parsed', async () => {
  let turns = 0;
  const counting = setInterval(() => {
    turns += 1;
  }, 1);
  await parseInWorker(MESSAGE);
  clearInterval(counting);
  expect(turns).toBeGreaterThan(0);
});

test('returns the headers and the whole email as a file when the thread exceeds its time', async () => {
  const email = await parseInWorker(MESSAGE, { maxWaitMs: 0 });
  expect(email).toMatchObject({ subject: 'Order 4711', defects: ['parse_budget_exceeded'] });
  expect(email.attachments.map(({ content }) => Buffer.from(content).equals(MESSAGE))).toEqual([true]);
});

test('stops parsing when the CPU budget is used up, and keeps headers and bytes', async () => {
  let cpuMs = 0;
  const email = await parseEmail(MESSAGE, () => {
    cpuMs += 1_000;
    return cpuMs;
  });
  expect(email).toMatchObject({
    subject: 'Order 4711',
    from: { address: 'ann@example.com' },
    defects: ['parse_budget_exceeded'],
  });
  expect(email.attachments.map(({ content }) => Buffer.from(content).equals(MESSAGE))).toEqual([true]);
});

const ORDER = mail(...HEAD, '', 'Four pallets.');

/** A worker thread that runs this code instead of the parser. */
const workerOf = (code: string): URL => new URL(`data:text/javascript,${encodeURIComponent(code)}`);

describe('a worker thread that fails', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(async () => await db.close());

  test.each([
    ['throws', 'throw new Error("parser")', {}],
    ['rejects a promise', 'Promise.reject(new Error("parser")); setInterval(() => {}, 1_000)', {}],
    ['exits without a result', 'process.exit(0)', {}],
    ['cannot be loaded', 'import "./missing.mjs"', {}],
    [
      'exceeds its heap limit',
      // Small objects only: while a growing array fills the heap, V8 may end the whole process.
      'let last = null; for (;;) last = { last }',
      { maxHeapMb: 32 },
    ],
    ['never ends', 'for (;;) {}', { maxWaitMs: 500 }],
  ])('that %s leaves an email to store and a process that parses the next email', async (_, code, limits) => {
    const email = await parseInWorker(ORDER, { workerUrl: workerOf(code), ...limits });
    expect(email).toMatchObject({
      subject: 'Order 4711',
      from: { address: 'ann@example.com' },
      defects: ['parse_budget_exceeded'],
    });
    expect(email.attachments.map(({ content }) => Buffer.from(content).equals(ORDER))).toEqual([true]);

    const mailbox = await mailboxWithPending(db);
    await storeEmail(db, mailbox, { ...(await storable('a')), email });
    const { rows } = await db.query(
      'select subject, defects, attachment_count from incoming_emails where mailbox_id = $1',
      [mailbox.mailboxId],
    );
    expect(rows).toEqual([
      { subject: 'Order 4711', defects: ['parse_budget_exceeded'], attachment_count: 1 },
    ]);
    expect(await parseInWorker(ORDER)).toEqual(await parseEmail(ORDER));
  });
});
