import { describe, expect, test } from 'vitest';
import {
  base64Lines,
  between,
  filesOf,
  htmlPart,
  multipart,
  parse,
  part,
  pdfPart,
  textPart,
} from '../mail-builder.ts';

describe('bodies', () => {
  test('stores both forms of a multipart/alternative as bodies', async () => {
    const email = await parse(...multipart('alternative', 'b', textPart('Order'), htmlPart('<p>Order</p>')));
    expect(email).toMatchObject({
      bodyText: 'Order',
      bodyHtml: '<p>Order</p>',
      attachments: [],
      defects: [],
    });
  });

  test('finds the bodies in nested multiparts, with a picture as inline attachment', async () => {
    const image = part(['Content-Type: image/png', 'Content-ID: <logo@example.com>'], 'PNG');
    const related = multipart('related', 'r', htmlPart('<img src="cid:logo@example.com">'), image);
    const email = await parse(
      ...multipart('mixed', 'm', multipart('alternative', 'a', textPart('Order'), related)),
    );
    expect(email.bodyText).toBe('Order');
    expect(email.attachments).toHaveLength(1);
    expect(email.attachments[0]).toMatchObject({
      partPath: '1.2.2',
      contentId: 'logo@example.com',
      isInline: true,
    });
  });

  test('does not fill body_text from HTML', async () => {
    const email = await parse(...htmlPart('<p>Order</p>'));
    expect(email).toMatchObject({ bodyText: null, bodyHtml: '<p>Order</p>', defects: [] });
  });

  test('joins the text parts of a multipart/mixed in order and leaves out blank ones', async () => {
    const email = await parse(
      ...multipart('mixed', 'b', textPart('\r\n'), textPart('Order'), textPart('Footer')),
    );
    expect(email).toMatchObject({ bodyText: 'Order\nFooter', attachments: [] });
  });

  test.each(['', '\r\n', ' \u00a0\r\n'])(
    'leaves out a blank form of a multipart/alternative (%j) instead of keeping it as a file',
    async (blank) => {
      const html = htmlPart('<p>Order</p>');
      const email = await parse(
        ...multipart(
          'mixed',
          'm',
          multipart('alternative', 'a', textPart(blank), html),
          pdfPart('Content-Type: application/pdf; name=a.pdf'),
        ),
      );
      expect(email).toMatchObject({ bodyText: null, bodyHtml: '<p>Order</p>', defects: [] });
      expect(email.attachments.map((file) => file.filename)).toEqual(['a.pdf']);
      const text = textPart('Order');
      const other = await parse(...multipart('alternative', 'a', text, htmlPart(blank)));
      expect(other).toMatchObject({ bodyText: 'Order', bodyHtml: null, attachments: [], defects: [] });
    },
  );

  test('joins the HTML of an alternative and the HTML part after it', async () => {
    const alternative = multipart('alternative', 'a', textPart('Order'), htmlPart('<p>Order</p>'));
    const email = await parse(...multipart('mixed', 'm', alternative, htmlPart('<p>Footer</p>')));
    expect(email).toMatchObject({
      bodyText: 'Order',
      bodyHtml: '<p>Order</p>\n<p>Footer</p>',
      attachments: [],
    });
  });

  test('reads the root and both forms of the body in a multipart/related', async () => {
    const both = await parse(
      ...multipart(
        'related',
        'r',
        textPart('Order'),
        pdfPart('Content-Type: application/pdf'),
        htmlPart('<p>Order</p>'),
      ),
    );
    expect(both).toMatchObject({ bodyText: 'Order', bodyHtml: '<p>Order</p>', plainText: 'Order' });
    expect(filesOf(both)).toEqual([['attachment-1.pdf', true]]);
    const parts = between(
      'r',
      htmlPart('<p>Frame</p>'),
      htmlPart('<p>Root</p>', 'Content-ID: <root@example.com>'),
    );
    for (const [start, html] of [
      ['<root@example.com>', '<p>Root</p>'],
      ['<other@example.com>', '<p>Frame</p>'],
    ]) {
      const email = await parse(
        `Content-Type: multipart/related; boundary=r; start="${start}"`,
        '',
        ...parts,
      );
      expect(email.bodyHtml).toBe(html);
      expect(email.attachments).toHaveLength(1);
    }
  });

  test('takes unnamed text that is declared as an attachment as the body when there is no other', async () => {
    const disposition = 'Content-Disposition: attachment';
    const parts = [textPart('Order', disposition), htmlPart('<p>Order</p>', disposition)];
    const file = pdfPart('Content-Type: application/pdf; name=a.pdf');
    const email = await parse(...multipart('mixed', 'm', multipart('alternative', 'a', ...parts), file));
    expect(email).toMatchObject({ bodyText: 'Order', bodyHtml: '<p>Order</p>', plainText: 'Order' });
    expect(filesOf(email)).toEqual([['a.pdf', true]]);
    const named = textPart('Order', `${disposition}; filename="order.txt"`);
    expect((await parse(...multipart('mixed', 'm', named, file))).bodyText).toBeNull();
    const other = await parse(...multipart('mixed', 'm', textPart('Note'), textPart('Order', disposition)));
    expect(other.bodyText).toBe('Note');
    expect(other.attachments).toHaveLength(1);
  });

  test('converts the line ends of a body to LF and removes NUL', async () => {
    const email = await parse(...textPart('one\r\ntwo\0\r\n\r\n'));
    expect(email).toMatchObject({ bodyText: 'one\ntwo\n\n', defects: ['text_nul_removed'] });
    const encode = (text: string) =>
      part(['Content-Transfer-Encoding: base64'], base64Lines(Buffer.from(text)));
    expect((await parse(...encode('one\r\r\ntwo\r\r\n'))).bodyText).toBe('one\ntwo\n');
    expect((await parse(...encode('one\rtwo\r\rthree'))).bodyText).toBe('one\ntwo\n\nthree');
  });

  test('records a defect when an email is only a file and has no body', async () => {
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

  test('stores a binary file that is declared as text as an attachment', async () => {
    const pdf = part(['Content-Type: text/plain'], '%PDF-1.7 and so on');
    const email = await parse(...multipart('mixed', 'b', pdf, textPart('Order')));
    expect(email.bodyText).toBe('Order');
    expect(email.attachments[0]?.filename).toBe('attachment-1.pdf');
    expect(email.defects).toEqual(['text_is_binary']);
  });

  test.each([
    [
      'text/enriched',
      'Send <bold>12</bold> pcs <<urgent>, <param>red</param>please.',
      'Send 12 pcs <urgent>, please.',
    ],
    ['text/richtext', 'Send <bold>12</bold> pcs<nl>of <lt>X-200>', 'Send 12 pcs\nof <X-200>'],
    ['text/x-order', 'Send <12> pcs', 'Send <12> pcs'],
  ])(
    'uses an unnamed part of type %s as the body when there is no other text',
    async (type, content, text) => {
      const file = pdfPart('Content-Type: application/pdf; name=a.pdf');
      const email = await parse(...multipart('mixed', 'b', part([`Content-Type: ${type}`], content), file));
      expect(email).toMatchObject({ bodyText: text, plainText: text, defects: [] });
      expect(filesOf(email)).toEqual([['a.pdf', true]]);
    },
  );

  test.each(['text/csv', 'text/calendar'])('keeps an unnamed part of type %s as a file', async (type) => {
    const email = await parse(`Content-Type: ${type}`, '', 'X-200;12');
    expect(email).toMatchObject({ bodyText: null, defects: ['body_missing'] });
    expect(email.attachments).toHaveLength(1);
  });

  test('stores text beyond ten MiB as an attachment', async () => {
    const email = await parse('', 'x'.repeat(10 * 1024 * 1024 + 1));
    expect(email.bodyText).toBeNull();
    expect(email.attachments[0]?.sizeBytes).toBe(10 * 1024 * 1024 + 1);
    expect(email.plainText?.length).toBe(1024 * 1024);
    expect(email.defects).toEqual(['text_too_long']);
  });

  test.each([
    ['Content-Type: text/plain; name="body.txt"', 'Content-Disposition: inline'],
    ['Content-Type: text/plain; name="body.txt"', 'X-None: 1'],
    ['Content-Type: text/plain', 'Content-Disposition: inline; filename="body.txt"'],
  ])('uses the only part as the body when its headers are %s and %s', async (...headers) => {
    expect(await parse(...headers, '', 'Four pallets.')).toMatchObject({
      bodyText: 'Four pallets.',
      attachments: [],
    });
  });

  test('uses a named HTML part next to a PDF as the body', async () => {
    const page = htmlPart('<p>Four pallets.</p>', 'Content-Disposition: inline; filename="body.html"');
    const email = await parse(
      ...multipart('mixed', 'b', page, pdfPart('Content-Type: application/pdf; name=a.pdf')),
    );
    expect(email).toMatchObject({ bodyHtml: '<p>Four pallets.</p>', plainText: 'Four pallets.' });
    expect(filesOf(email)).toEqual([['a.pdf', true]]);
  });

  test('does not use a part declared as attachment as the body', async () => {
    const email = await parse(
      'Content-Type: text/plain',
      'Content-Disposition: attachment; filename=order.txt',
      '',
      'A-1;4',
    );
    expect(email).toMatchObject({ bodyText: null, defects: ['body_missing'] });
    expect(email.attachments).toHaveLength(1);
  });

  test.each([
    [
      'around',
      textPart('Four pallets.'),
      pdfPart('Content-Type: application/pdf; name=a.pdf'),
      textPart('To gate 2.'),
    ],
    [
      'before',
      textPart('Four pallets.'),
      textPart('To gate 2.'),
      pdfPart('Content-Type: application/pdf; name=a.pdf'),
    ],
  ])('joins the text parts %s a file into one body, in order', async (_, ...parts) => {
    const email = await parse(...multipart('mixed', 'b', ...parts));
    expect(email).toMatchObject({
      bodyText: 'Four pallets.\nTo gate 2.',
      plainText: 'Four pallets.\nTo gate 2.'.replace('\n', '\n\n'),
    });
  });

  test('joins HTML that is split around files within an alternative, in order', async () => {
    const pages = multipart(
      'mixed',
      'm',
      htmlPart('<p>Four pallets.</p>'),
      pdfPart('Content-Type: application/pdf; name=a.pdf'),
      htmlPart('<p>To gate 2.</p>'),
    );
    const email = await parse(...multipart('alternative', 'a', textPart('Four pallets. To gate 2.'), pages));
    expect(email.bodyHtml).toBe('<p>Four pallets.</p>\n<p>To gate 2.</p>');
    expect(email.plainText).toBe('Four pallets. To gate 2.');
    expect(filesOf(email)).toEqual([['a.pdf', true]]);
  });

  test('joins a text body to the banner before it, and leaves body_text empty when the message is HTML', async () => {
    const banner = textPart('CAUTION: from outside.');
    const alternative = multipart(
      'alternative',
      'a',
      textPart('Four pallets.'),
      htmlPart('<p>Four pallets.</p>'),
    );
    const joined = await parse(...multipart('mixed', 'b', banner, alternative));
    expect(joined).toMatchObject({
      bodyText: 'CAUTION: from outside.\nFour pallets.',
      bodyHtml: '<p>Four pallets.</p>',
    });
    const alone = await parse(
      ...multipart('mixed', 'b', banner, htmlPart('<p>Four pallets of B-7 to gate 2.</p>')),
    );
    expect(alone).toMatchObject({ bodyText: null, bodyHtml: '<p>Four pallets of B-7 to gate 2.</p>' });
    expect(alone.plainText).toBe('CAUTION: from outside.\n\nFour pallets of B-7 to gate 2.');
  });
});
