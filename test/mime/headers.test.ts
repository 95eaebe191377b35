import { describe, expect, it } from 'vitest';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { mail } from './mail-builder.ts';

const read = (...lines: (string | Buffer)[]) => parseEmail(mail(...lines, '', 'Body'));
const subject = async (...lines: (string | Buffer)[]): Promise<string | null> =>
  (await read(...lines)).subject;

describe('a subject', () => {
  it('unfolds a subject, decodes its encoded words and joins split characters', async () => {
    expect(await subject('Subject: =?utf-8?Q?Bestellung_=C3?= =?utf-8?Q?=A4?= 7')).toBe('Bestellung ä 7');
    expect(await subject('Subject: one', '  two', '\tthree')).toBe('one  two\tthree');
    expect(await subject('Subject: =?utf-8?B?w6Q=?=', ' =?iso-8859-1?Q?=F6?= end')).toBe('äö end');
    expect(await subject('Subject: =?ISO-2022-JP?B?GyRCQ20bKEI=?= =?ISO-2022-JP?B?GyRCSjgbKEI=?=')).toBe(
      '注文',
    );
    expect(await subject('Subject: =?utf-8*en?q?a=3Fb?= =?broken')).toBe('a?b =?broken');
  });

  it('decodes raw bytes in a subject: UTF-8, the charset of the email, or windows-1252', async () => {
    expect(await subject('Subject: Größe')).toBe('Größe');
    expect(await subject(Buffer.from('Subject: Gr\xf6\xdfe', 'latin1'))).toBe('Größe');
    const gbk = Buffer.concat([Buffer.from('Subject: '), Buffer.from('b6a9b5a5', 'hex')]);
    expect(await subject(gbk, 'Content-Type: text/plain; charset=gbk')).toBe('订单');
  });

  it('removes NUL and lone surrogates from a subject', async () => {
    expect(await subject('Subject: a\0b')).toBe('ab');
    expect(await subject('Subject: =?utf-16le?B?ADg=?=x')).not.toMatch(/[\ud800-\udfff]/);
    expect(await subject('Subject: =?utf-7?Q?+2AA-?=')).toBe('\ufffd');
  });

  it('uses the first of two subjects, and null when there is none', async () => {
    expect(await read('Subject: one', 'Subject: two')).toMatchObject({ subject: 'one' });
    expect((await read('Subject: one', 'Subject: two')).defects).toContain('duplicate_header');
    expect(await subject('X: y')).toBeNull();
  });
});

describe('addresses', () => {
  it('keeps names and local parts of addresses as written, and domains in lower case', async () => {
    const email = await read(
      'From: "Buyer, Ann" <Ann.B@Example.COM>',
      'To: =?utf-8?Q?J=C3=B6rg?= <j@example.com>, plain@example.com',
      'Cc: team: a@example.com, "B" <b@example.com>;, c@example.com',
      'Bcc: undisclosed-recipients:;',
      'Reply-To: orders@example.com',
    );
    expect(email.from).toEqual({ name: 'Buyer, Ann', address: 'Ann.B@example.com' });
    expect(email.to).toEqual([
      { name: 'Jörg', address: 'j@example.com' },
      { name: null, address: 'plain@example.com' },
    ]);
    expect(email.cc.map(({ address }) => address)).toEqual([
      'a@example.com',
      'b@example.com',
      'c@example.com',
    ]);
    expect(email.bcc).toEqual([]);
    expect(email.replyTo).toEqual([{ name: null, address: 'orders@example.com' }]);
  });

  it('collects addresses from repeated headers', async () => {
    const email = await read('To: a@example.com', 'To: b@example.com');
    expect(email.to.map(({ address }) => address)).toEqual(['a@example.com', 'b@example.com']);
  });

  it('keeps an unreadable address as a name', async () => {
    const email = await read('From: Ann Buyer', 'To: <>', 'Cc: Bob <bob>');
    expect(email.from).toEqual({ name: 'Ann Buyer', address: null });
    expect(email.to).toEqual([{ name: '<>', address: null }]);
    expect(email.cc).toEqual([{ name: 'Bob <bob>', address: null }]);
    expect(email.defects).toContain('address_unreadable');
  });

  it('keeps addresses that are written like a group without members', async () => {
    const email = await read('From: Ann <ann@example.com>:');
    expect(email.from).toEqual({ name: 'Ann', address: 'ann@example.com' });
  });
});

describe('the Date header', () => {
  it.each([
    ['Tue, 3 Nov 2026 10:15:30 +0100', '2026-11-03T09:15:30.000Z'],
    ['3 Nov 26 10:15 EST', '2026-11-03T15:15:00.000Z'],
    ['Tue, 03 Nov 2026 10:15:30 -0000 (UTC)', '2026-11-03T10:15:30.000Z'],
    ['Tue, 3 Nov 2026 10:15:30', '2026-11-03T10:15:30.000Z'],
    ['Tue (a (b) c), 3 Nov 2026 10:15:60 GMT', '2026-11-03T10:15:59.000Z'],
    ['Tue Nov  3 10:15:30 2026', '2026-11-03T10:15:30.000Z'],
    ['2026-11-03T10:15:30+01:00', '2026-11-03T09:15:30.000Z'],
    ['Tue, 03-Nov-2026 10:15:30 +0530', '2026-11-03T04:45:30.000Z'],
  ])('reads the date %s, whatever the time zone of the machine', async (date, iso) => {
    expect((await read(`Date: ${date}`)).sentAt?.toISOString()).toBe(iso);
  });

  it.each(['yesterday', 'Tue, 31 Feb 2026 10:15:30 +0000', '3 Nov 2026 25:00 +0000', '1', ''])(
    'returns no date for %j',
    async (date) => {
      const email = await read(`Date: ${date}`);
      expect(email.sentAt).toBeNull();
      expect(email.defects).toContain(date === '' ? 'date_missing' : 'date_unreadable');
    },
  );
});

describe('the head of a mail', () => {
  it('returns Message-ID and In-Reply-To unchanged', async () => {
    const email = await read('Message-ID: <a b@example.com>', 'In-Reply-To:', ' <c@example.com>');
    expect(email).toMatchObject({ rfc822MessageId: '<a b@example.com>', inReplyTo: '<c@example.com>' });
  });

  it('accepts an mbox separator or empty lines before the headers', async () => {
    for (const line of ['From ann@example.com Tue Nov  3 10:15:30 2026', '', '>From ann@example.com']) {
      const email = await read(line, 'Subject: Order');
      expect(email).toMatchObject({ subject: 'Order', bodyText: 'Body' });
      expect(email.defects).toContain('leading_lines');
    }
  });

  it('continues the headers after a line that is not a header', async () => {
    for (const lines of [['junk'], ['Order No: 7'], ['Order No: 7', ' folded', 'Other No: 8']]) {
      const email = await read(...lines, 'Subject: Order');
      expect(email).toMatchObject({ subject: 'Order', bodyText: 'Body' });
      expect(email.defects).toContain('header_malformed');
    }
  });

  it('ends the headers at text whose empty line is missing, and keeps the text', async () => {
    const email = await parseEmail(mail('Subject: Order', 'Please send 3 pieces', 'of A-1', '', 'Ann'));
    expect(email).toMatchObject({ subject: 'Order', bodyText: 'Please send 3 pieces\nof A-1\n\nAnn' });
    expect(email.defects).toContain('header_separator_missing');
  });

  it('treats a line of white space as a fold when headers follow, and as the end otherwise', async () => {
    expect(await read('Subject: Order', ' ', 'From: ann@example.com')).toMatchObject({
      subject: 'Order',
      from: { address: 'ann@example.com' },
    });
    expect(await parseEmail(mail('Subject: Order', ' ', 'Body text'))).toMatchObject({
      bodyText: 'Body text',
    });
  });

  it('accepts LF, and CR alone, as line ends of headers', async () => {
    for (const end of ['\n', '\r']) {
      const email = await parseEmail(Buffer.from(['Subject: Order', '', 'Body', ''].join(end)));
      expect(email).toMatchObject({ subject: 'Order', bodyText: 'Body\n' });
    }
  });
});
