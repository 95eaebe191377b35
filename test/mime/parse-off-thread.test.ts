import { expect, test } from 'vitest';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { parseInWorker, parseOffThread } from '../../shared/mime/parse-off-thread.ts';
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

test('gives for a large email in a thread what it gives in the caller, byte for byte, and leaves the bytes', async () => {
  const before = Buffer.from(MESSAGE);
  const email = await parseOffThread(MESSAGE);
  expect(email).toEqual(await parseEmail(MESSAGE));
  expect(MESSAGE.equals(before)).toBe(true);
  expect(email.attachments.map(({ content }) => content.length)).toEqual([FILE.length, FILE.length, 5]);
});

test('lets the event loop answer while a large email is read', async () => {
  let turns = 0;
  const counting = setInterval(() => {
    turns += 1;
  }, 1);
  await parseInWorker(MESSAGE);
  clearInterval(counting);
  expect(turns).toBeGreaterThan(0);
});

test('gives the head and the whole email as a file when its thread does not answer in time', async () => {
  const email = await parseInWorker(MESSAGE, 0);
  expect(email).toMatchObject({ subject: 'Order 4711', defects: ['parse_budget_exceeded'] });
  expect(email.attachments.map(({ content }) => Buffer.from(content).equals(MESSAGE))).toEqual([true]);
});

test('ends a reading that takes more processor time than an email may take, and keeps head and bytes', async () => {
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
