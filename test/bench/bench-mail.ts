/** Generates distinct emails of a given size with attachments. */
import { randomBytes } from 'node:crypto';

/** @param bytes approximate size of the whole email */
export function mailWithAttachment(n: number, bytes: number): Buffer {
  return mailWithAttachments(n, 1, bytes);
}

/** @param bytes approximate size of the whole email */
export function mailWithAttachments(n: number, count: number, bytes: number): Buffer {
  const fileBytes = Math.floor(((bytes - 700) * 3) / 4.1 / Math.max(1, count));
  const files = Array.from({ length: count }, (_, index) => [
    '--part',
    `Content-Type: application/pdf; name="order-${n}-${index}.pdf"`,
    `Content-Disposition: attachment; filename="order-${n}-${index}.pdf"`,
    'Content-Transfer-Encoding: base64',
    '',
    randomBytes(fileBytes).toString('base64').replace(/.{76}/g, '$&\r\n'),
  ]);
  return Buffer.from(
    [
      'From: Orders <orders@example.org>',
      'To: inbox@example.com',
      `Subject: Purchase order ${n}`,
      'Date: Mon, 02 Nov 2026 09:30:00 +0000',
      `Message-ID: <bench-${n}@example.org>`,
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary="part"',
      '',
      '--part',
      'Content-Type: text/plain; charset=utf-8',
      '',
      `Please find order ${n} attached.`,
      ...files.flat(),
      '--part--',
      '',
    ].join('\r\n'),
  );
}
