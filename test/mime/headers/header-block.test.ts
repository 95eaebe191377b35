import { describe, expect, test } from 'vitest';
import { parseEmail } from '../../../shared/mime/parse-email.ts';
import { between, filesOf, mail, multipart, parse, pdfPart, textPart } from '../mail-builder.ts';

const read = (...lines: (string | Buffer)[]) => parseEmail(mail(...lines, '', 'Body'));

describe('header block', () => {
  test('accepts an mbox separator or empty lines before the headers', async () => {
    for (const line of ['From ann@example.com Tue Nov  3 10:15:30 2026', '', '>From ann@example.com']) {
      const email = await read(line, 'Subject: Order');
      expect(email).toMatchObject({ subject: 'Order', bodyText: 'Body' });
      expect(email.defects).toContain('leading_lines');
    }
  });

  test('reads a From header with white space before its colon', async () => {
    const email = await read('From \t : Ann <ann@example.com>', 'Subject : Order');
    expect(email.from).toEqual({ name: 'Ann', address: 'ann@example.com' });
    expect(email.subject).toBe('Order');
  });

  test('continues the headers after a line that is not a header', async () => {
    for (const lines of [['junk'], ['Order No: 7'], ['Order No: 7', ' folded', 'Other No: 8']]) {
      const email = await read(...lines, 'Subject: Order');
      expect(email).toMatchObject({ subject: 'Order', bodyText: 'Body' });
      expect(email.defects).toContain('header_malformed');
    }
  });

  test('ends the headers at text whose empty line is missing, and keeps the text', async () => {
    const email = await parseEmail(mail('Subject: Order', 'Please send 3 pieces', 'of A-1', '', 'Ann'));
    expect(email).toMatchObject({ subject: 'Order', bodyText: 'Please send 3 pieces\nof A-1\n\nAnn' });
    expect(email.defects).toContain('header_separator_missing');
  });

  test('ends the headers at the first boundary when the empty line above it is missing', async () => {
    const parts = between('b', textPart('Nine pumps'), pdfPart('Content-Type: application/pdf; name=a.pdf'));
    const nested = ['--o', 'Content-Type: multipart/mixed; boundary=b', ...parts, '--o--'];
    for (const email of [
      await parseEmail(mail('Content-Type: multipart/mixed; boundary="b"', ...parts)),
      await parseEmail(mail('Content-Type: multipart/mixed; boundary=b', 'Subject: Order', ...parts)),
      await parseEmail(mail('Content-Type: multipart/mixed; boundary=o', '', ...nested)),
    ]) {
      expect(email.bodyText).toBe('Nine pumps');
      expect(filesOf(email)).toEqual([['a.pdf', true]]);
      expect(email.defects).toContain('header_separator_missing');
    }
  });

  test('treats a line of white space as a fold when headers follow, and as the end otherwise', async () => {
    expect(await read('Subject: Order', ' ', 'From: ann@example.com')).toMatchObject({
      subject: 'Order',
      from: { address: 'ann@example.com' },
    });
    for (const header of ['Feedback-ID: 7', 'Errors-To: a@example.com', 'Priority: high', 'Comments: 5'])
      expect(
        await parseEmail(mail('From: a@example.com', ' ', header, 'Subject: Order', '', 'Body')),
      ).toMatchObject({
        bodyText: 'Body',
        subject: 'Order',
      });
    expect(await parseEmail(mail('Subject: Order', ' ', 'Feedback-ID: 7', '', 'Body'))).toMatchObject({
      bodyText: 'Body',
    });
    for (const text of ['Body text', 'Order: 5 pcs', 'Order No: 5'])
      expect(await parseEmail(mail('Subject: Order', ' ', text, '', 'More'))).toMatchObject({
        bodyText: `${text}\n\nMore`,
      });
  });

  test('joins the folds of headers whose line ends have a second CR', async () => {
    const email = await parseEmail(Buffer.from('Subject: one\r\r\n two\r\r\n\r\r\nBody'));
    expect(email).toMatchObject({ subject: 'one two', bodyText: 'Body' });
  });

  test('accepts LF, and CR alone, as line ends of headers', async () => {
    for (const end of ['\n', '\r']) {
      const email = await parseEmail(Buffer.from(['Subject: Order', '', 'Body', ''].join(end)));
      expect(email).toMatchObject({ subject: 'Order', bodyText: 'Body\n' });
    }
  });
});

describe('unindented folds', () => {
  test.each([
    [['Content-Disposition: attachment;', 'filename="Offer 88 for hall 7.pdf"'], 'Offer 88 for hall 7.pdf'],
    [['Content-Disposition: attachment; filename="Offer 88', 'for hall 7.pdf"'], 'Offer 88 for hall 7.pdf'],
    [['Content-Disposition: attachment', '; filename="a.pdf"'], 'a.pdf'],
    [['Content-Disposition: attachment;', 'filename="Order: 7.pdf"'], 'Order: 7.pdf'],
    [['Content-Disposition: attachment;', "filename*0*=utf-8''a;", 'filename*1*=b.pdf'], 'ab.pdf'],
    [
      ['Content-Disposition: attachment; filename=a.pdf', 'Content-Description: Order', 'for the new plant'],
      'a.pdf',
    ],
  ])(
    'keeps the name and every byte of a file when a fold of its headers %j is not indented',
    async (headers, name) => {
      const file = pdfPart('Content-Type: application/pdf', ...headers);
      expect(filesOf(await parse(...multipart('mixed', 'b', textPart('Order'), file)))).toEqual([
        [name, true],
      ]);
    },
  );

  test('keeps the boundary when the last header of the email is folded without indentation', async () => {
    const parts = between('b', textPart('Order'), pdfPart('Content-Type: application/pdf; name=a.pdf'));
    const email = await parse('Content-Type: multipart/mixed;', 'boundary="b"', '', ...parts);
    expect(filesOf(email)).toEqual([['a.pdf', true]]);
  });

  test('does not take a line of the text as a fold when the empty line is missing', async () => {
    const email = await parseEmail(mail('Subject: Order', 'Three pieces of A-1,', 'please', '', 'Ann'));
    expect(email.bodyText).toBe('Three pieces of A-1,\nplease\n\nAnn');
  });
});
