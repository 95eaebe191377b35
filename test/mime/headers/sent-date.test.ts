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
    ['Tue, 3 Nov 2026 10:15:00 GMT+0200', '2026-11-03T08:15:00.000Z'],
    ['Tue, 3 Nov 2026 10:15:00 GMT-02:00', '2026-11-03T12:15:00.000Z'],
    ['Tue, 3 Nov 2026 10:15:00 UTC+2', '2026-11-03T08:15:00.000Z'],
    ['Tue, 3 Nov 2026 10:15:00 + 0100', '2026-11-03T09:15:00.000Z'],
    ['Tue, 3 Nov 2026 10:15:00 +100', '2026-11-03T09:15:00.000Z'],
    ['Tue, 3 Nov 2026 10:15:00 +9999', '2026-11-03T10:15:00.000Z'],
    ['Tue, 3 Nov 2026 10:15:00 AEST', '2026-11-03T00:15:00.000Z'],
    ['Di, 3 Nov 2026 10:15:00 MEZ', '2026-11-03T09:15:00.000Z'],
    ['Do, 3 Dez 2026 10:15:00 +0100', '2026-12-03T09:15:00.000Z'],
    ['Tue, 03 Nov 2026 10:15:00 PM +0100', '2026-11-03T21:15:00.000Z'],
    ['Tue, 03 Nov 2026 12:15:00 AM +0100', '2026-11-02T23:15:00.000Z'],
    ['Tuesday, November 3, 2026 10:15 PM', '2026-11-03T22:15:00.000Z'],
    ['Tue, 3 Nov 2026 10 : 15 : 00 +0100', '2026-11-03T09:15:00.000Z'],
    ['Tue, 3 Nov 2026 9:5:3 +0100', '2026-11-03T08:05:03.000Z'],
    ['Tue, 3 Nov 2026 24:00:00 +0000', '2026-11-04T00:00:00.000Z'],
    ['"Tue, 3 Nov 2026 10:15:00 +0100"', '2026-11-03T09:15:00.000Z'],
    ['2026/11/03 10:15:00 +0100', '2026-11-03T09:15:00.000Z'],
    ['someday\r\nDate: Tue, 3 Nov 2026 10:15:00 +0100', '2026-11-03T09:15:00.000Z'],
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
