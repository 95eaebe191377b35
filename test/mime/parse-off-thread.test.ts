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
  const email = await parseInWorker(MESSAGE, 0);
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
