import { describe, expect, test } from 'vitest';
import { parseEmail } from '../../../shared/mime/parse-email.ts';
import { mail } from '../mail-builder.ts';

const read = (...lines: (string | Buffer)[]) => parseEmail(mail(...lines, '', 'Body'));

describe('Date header', () => {
  test.each([
    ['Tue, 3 Nov 2026 10:15:30 +0100', '2026-11-03T09:15:30.000Z'],
    ['3 Nov 26 10:15 EST', '2026-11-03T15:15:00.000Z'],
    ['Tue, 03 Nov 2026 10:15:30 -0000 (UTC)', '2026-11-03T10:15:30.000Z'],
    ['Tue, 3 Nov 2026 10:15:30', '2026-11-03T10:15:30.000Z'],
    ['Tue (a (b) c), 3 Nov 2026 10:15:60 GMT', '2026-11-03T10:15:59.000Z'],
    ['Tue Nov  3 10:15:30 2026', '2026-11-03T10:15:30.000Z'],
    ['2026-11-03T10:15:30+01:00', '2026-11-03T09:15:30.000Z'],
    ['Tue, 03-Nov-2026 10:15:30 +0530', '2026-11-03T04:45:30.000Z'],
  ])('parses the Date header %s as %s', async (date, iso) => {
    expect((await read(`Date: ${date}`)).sentAt?.toISOString()).toBe(iso);
  });

  test.each(['yesterday', 'Tue, 31 Feb 2026 10:15:30 +0000', '3 Nov 2026 25:00 +0000', '1', ''])(
    'returns no date when the Date header is %j',
    async (date) => {
      const email = await read(`Date: ${date}`);
      expect(email.sentAt).toBeNull();
      expect(email.defects).toContain(date === '' ? 'date_missing' : 'date_unreadable');
    },
  );
});
