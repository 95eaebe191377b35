import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { ParsedEmail } from '../../../shared/mime/parsed-email.ts';
import { base64Lines, multipart, parse, part, textPart } from '../mail-builder.ts';

const TEXT = part(['Content-Type: text/plain; charset=utf-8'], 'Please find the order attached.');
const PDF = Buffer.from('%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n%%EOF\n', 'latin1');
const pdfPart = (...headers: string[]): (string | Buffer)[] =>
  part(['Content-Type: application/pdf', 'Content-Transfer-Encoding: base64', ...headers], base64Lines(PDF));

const textsOf = (email: ParsedEmail): string[] =>
  email.attachments.map(({ content }) => Buffer.from(content).toString());

describe('attachments', () => {
  test('keeps a PDF as an attachment for every Content-Disposition', async () => {
    for (const disposition of ['attachment; filename=order.pdf', 'inline; filename=order.pdf', 'order.pdf']) {
      const email = await parse(
        ...multipart('mixed', 'b', TEXT, pdfPart(`Content-Disposition: ${disposition}`)),
      );
      expect(email.attachments).toHaveLength(1);
      expect(Buffer.from(email.attachments[0]?.content ?? [])).toEqual(PDF);
      expect(email.attachments[0]).toMatchObject({
        contentType: 'application/pdf',
        detectedType: 'application/pdf',
        sizeBytes: PDF.length,
        sha256: createHash('sha256').update(PDF).digest('hex'),
        isInline: false,
      });
      expect(email.defects).toEqual([]);
    }
  });

  test('keeps a PDF without Content-Disposition and names it by its type', async () => {
    const email = await parse(...multipart('mixed', 'b', TEXT, pdfPart()));
    expect(email.attachments[0]?.filename).toBe('attachment-1.pdf');
  });

  test('keeps text, HTML and CSV with a file name as attachments, not as the body', async () => {
    const email = await parse(
      ...multipart(
        'mixed',
        'b',
        part(['Content-Type: text/csv; name=lines.csv'], 'sku,qty', 'A-1,3'),
        part(['Content-Type: text/plain', 'Content-Disposition: inline; filename=notes.txt'], 'notes'),
        part(['Content-Type: text/html', 'Content-Disposition: attachment'], '<p>form</p>'),
        TEXT,
      ),
    );
    expect(email.bodyText).toBe('Please find the order attached.');
    expect(email.bodyHtml).toBeNull();
    expect(email.attachments.map(({ filename, partPath }) => [partPath, filename])).toEqual([
      ['1', 'lines.csv'],
      ['2', 'notes.txt'],
      ['3', 'attachment-3.html'],
    ]);
  });

  test('keeps the text footer of a message in HTML as an attachment, and leaves body_text empty', async () => {
    const html = part(['Content-Type: text/html'], '<p>Four pallets of B-7 to gate 2, please.</p>');
    const email = await parse(
      ...multipart('mixed', 'b', html, part(['Content-Type: text/plain'], 'List footer')),
    );
    expect(email.bodyText).toBeNull();
    expect(email.attachments.map(({ content }) => Buffer.from(content).toString())).toEqual(['List footer']);
    expect(email.plainText).toBe('Four pallets of B-7 to gate 2, please.\n\nList footer');
  });

  test('keeps every part of a signed email and of a delivery report', async () => {
    const signature = part(['Content-Type: application/pgp-signature; name=signature.asc'], 'SIGNATURE');
    const signed = await parse(...multipart('signed', 'b', textPart('Order'), signature));
    expect(signed.attachments.map(({ filename }) => filename)).toEqual(['signature.asc']);

    const status = part(['Content-Type: message/delivery-status'], 'Reporting-MTA: dns; example.com');
    const headers = part(['Content-Type: text/rfc822-headers'], 'Subject: Order');
    const report = await parse(...multipart('report', 'b', textPart('Bounced'), status, headers));
    expect(report.bodyText).toBe('Bounced');
    expect(report.attachments.map(({ contentType }) => contentType)).toEqual([
      'message/delivery-status',
      'text/rfc822-headers',
    ]);
  });

  test('keeps a calendar invitation as an attachment, byte for byte', async () => {
    const invitation = 'BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n\r\n';
    const calendar = part(['Content-Type: text/calendar; method=REQUEST'], invitation);
    const email = await parse(...multipart('alternative', 'b', textPart('Meet'), calendar));
    expect(textsOf(email)).toEqual([invitation]);
    expect(email.attachments[0]?.filename).toBe('attachment-1.ics');
  });

  test('records a defect for a declared attachment without bytes', async () => {
    const file = part(['Content-Type: application/pdf; name=order.pdf'], '');
    expect((await parse(...multipart('mixed', 'b', part([], 'Order'), file))).defects).toEqual([
      'file_empty',
    ]);
  });
});
