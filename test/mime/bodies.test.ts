import { describe, expect, it } from 'vitest';
import { between, multipart, parse, part } from './mail-builder.ts';

const plain = (text: string): (string | Buffer)[] => part(['Content-Type: text/plain; charset=utf-8'], text);
const html = (text: string): (string | Buffer)[] => part(['Content-Type: text/html; charset=utf-8'], text);
const names = (attachments: readonly { content: Uint8Array }[]): string[] =>
  attachments.map(({ content }) => Buffer.from(content).toString());

describe('the bodies', () => {
  it('stores both forms of a multipart/alternative as bodies', async () => {
    const email = await parse(...multipart('alternative', 'b', plain('Order'), html('<p>Order</p>')));
    expect(email).toMatchObject({
      bodyText: 'Order',
      bodyHtml: '<p>Order</p>',
      attachments: [],
      defects: [],
    });
  });

  it('finds the bodies in nested multiparts, with a picture as inline attachment', async () => {
    const image = part(['Content-Type: image/png', 'Content-ID: <logo@example.com>'], 'PNG');
    const related = multipart('related', 'r', html('<img src="cid:logo@example.com">'), image);
    const email = await parse(
      ...multipart('mixed', 'm', multipart('alternative', 'a', plain('Order'), related)),
    );
    expect(email.bodyText).toBe('Order');
    expect(email.attachments).toHaveLength(1);
    expect(email.attachments[0]).toMatchObject({
      partPath: '1.2.2',
      contentId: 'logo@example.com',
      isInline: true,
    });
  });

  it('does not fill body_text from HTML', async () => {
    const email = await parse(...html('<p>Order</p>'));
    expect(email).toMatchObject({ bodyText: null, bodyHtml: '<p>Order</p>', defects: [] });
  });

  it('joins the text parts of a multipart/mixed in order and leaves out blank ones', async () => {
    const email = await parse(...multipart('mixed', 'b', plain('\r\n'), plain('Order'), plain('Footer')));
    expect(email).toMatchObject({ bodyText: 'Order\nFooter', attachments: [] });
  });

  it('joins an alternative and the HTML after it', async () => {
    const alternative = multipart('alternative', 'a', plain('Order'), html('<p>Order</p>'));
    const email = await parse(...multipart('mixed', 'm', alternative, html('<p>Footer</p>')));
    expect(email).toMatchObject({
      bodyText: 'Order',
      bodyHtml: '<p>Order</p>\n<p>Footer</p>',
      attachments: [],
    });
  });

  it('gives bodies LF line ends and no NUL', async () => {
    const email = await parse(...plain('one\r\ntwo\0\r\n\r\n'));
    expect(email).toMatchObject({ bodyText: 'one\ntwo\n\n', defects: ['text_nul_removed'] });
  });

  it('records a defect when an email is only a file and has no body', async () => {
    const email = await parse(
      'Content-Type: application/pkcs7-mime; name=smime.p7m',
      'Content-Transfer-Encoding: base64',
      '',
      'MIIB',
    );
    expect(email).toMatchObject({
      bodyText: null,
      bodyHtml: null,
      plainText: null,
      defects: ['body_missing', 'cms_unreadable'],
    });
    expect(email.attachments[0]).toMatchObject({ partPath: '1', filename: 'smime.p7m', sizeBytes: 3 });
  });

  it('stores a binary file that is declared as text as an attachment', async () => {
    const pdf = part(['Content-Type: text/plain'], '%PDF-1.7 and so on');
    const email = await parse(...multipart('mixed', 'b', pdf, plain('Order')));
    expect(email.bodyText).toBe('Order');
    expect(email.attachments[0]?.filename).toBe('attachment-1.pdf');
    expect(email.defects).toEqual(['text_is_binary']);
  });

  it('stores text beyond ten MiB as an attachment', async () => {
    const email = await parse('', 'x'.repeat(10 * 1024 * 1024 + 1));
    expect(email.bodyText).toBeNull();
    expect(email.attachments[0]?.sizeBytes).toBe(10 * 1024 * 1024 + 1);
    expect(email.plainText?.length).toBe(1024 * 1024);
    expect(email.defects).toEqual(['text_too_long']);
  });

  it('marks a picture as inline by its Content-Location, and an unreferenced one as not inline', async () => {
    const shown = part(['Content-Type: image/png', 'Content-Location: http://example.com/a.png'], 'A');
    const other = part(['Content-Type: image/png', 'Content-ID: <b@example.com>'], 'B');
    const page = html('<img src="http://example.com/a.png">');
    const email = await parse(...multipart('related', 'b', page, shown, other));
    expect(email.attachments.map(({ isInline }) => isInline)).toEqual([true, false]);
  });

  it('keeps every part of a signed email and of a delivery report', async () => {
    const signature = part(['Content-Type: application/pgp-signature; name=signature.asc'], 'SIGNATURE');
    const signed = await parse(...multipart('signed', 'b', plain('Order'), signature));
    expect(signed.attachments.map(({ filename }) => filename)).toEqual(['signature.asc']);

    const status = part(['Content-Type: message/delivery-status'], 'Reporting-MTA: dns; example.com');
    const headers = part(['Content-Type: text/rfc822-headers'], 'Subject: Order');
    const report = await parse(...multipart('report', 'b', plain('Bounced'), status, headers));
    expect(report.bodyText).toBe('Bounced');
    expect(report.attachments.map(({ contentType }) => contentType)).toEqual([
      'message/delivery-status',
      'text/rfc822-headers',
    ]);
  });

  it('keeps a calendar invitation as an attachment, byte for byte', async () => {
    const invitation = 'BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n\r\n';
    const calendar = part(['Content-Type: text/calendar; method=REQUEST'], invitation);
    const email = await parse(...multipart('alternative', 'b', plain('Meet'), calendar));
    expect(names(email.attachments)).toEqual([invitation]);
    expect(email.attachments[0]?.filename).toBe('attachment-1.ics');
  });
});

describe('an attached mail', () => {
  const INNER = [
    'From: Bob <bob@example.com>',
    'Subject: Inner / order',
    'X-Odd:  kept',
    '',
    'Inner body',
    '',
  ].join('\r\n');

  it('keeps an attached message as a file with its exact bytes, and it never overwrites the outer one', async () => {
    const email = await parse(
      ...multipart('mixed', 'b', part(['Content-Type: message/rfc822'], INNER), plain('Outer')),
    );
    expect(email).toMatchObject({
      subject: 'Order 4711',
      bodyText: 'Outer',
      from: { address: 'ann@example.com' },
    });
    expect(names(email.attachments)).toEqual([INNER]);
    expect(email.attachments[0]?.filename).toBe('Inner - order.eml');
  });

  it('accepts an attached message that is a multipart with the boundary of the outer one', async () => {
    const inner = ['Content-Type: multipart/mixed; boundary=i', '', ...between('i', plain('Deep'))].join(
      '\r\n',
    );
    const email = await parse(
      ...multipart('mixed', 'b', plain('Outer'), part(['Content-Type: message/rfc822'], inner)),
    );
    expect(names(email.attachments)).toEqual([inner]);
  });

  it('treats an untyped part of a multipart/digest as an attached message', async () => {
    const email = await parse(...multipart('digest', 'b', part([], INNER)));
    expect(email.attachments[0]).toMatchObject({
      contentType: 'message/rfc822',
      filename: 'Inner - order.eml',
    });
  });
});
