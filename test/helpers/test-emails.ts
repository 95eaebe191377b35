/** Small emails for tests in which the content does not matter. */
import { createHash } from 'node:crypto';

/** An order with a PDF of about `sizeBytes` bytes. */
export function order(n: number | string, sizeBytes = 40): Buffer {
  const pdf = Buffer.concat([Buffer.from(`%PDF-1.7 order ${n}\n`), Buffer.alloc(sizeBytes, `${n} `)]);
  return mail(`Order ${n}`, [
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    '',
    `Please find order ${n} attached.`,
    '--b',
    `Content-Type: application/pdf; name=order-${n}.pdf`,
    'Content-Transfer-Encoding: base64',
    '',
    ...(pdf.toString('base64').match(/.{1,76}/g) ?? []),
    '--b--',
  ]);
}

/** Bytes that do not get smaller when they are compressed, so that the raw email is large too. */
export function incompressible(seed: string, sizeBytes: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(sizeBytes / 32) }, (_, n) =>
    createHash('sha256').update(`${seed} ${n}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, sizeBytes);
}

/** An order with a binary file. The same file has the same bytes in each order. */
export function orderWithFile(n: number | string, file: Buffer): Buffer {
  return mail(`Order ${n}`, [
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    '',
    `Please find order ${n} attached.`,
    '--b',
    'Content-Type: application/octet-stream; name=order.bin',
    'Content-Transfer-Encoding: base64',
    '',
    ...(file.toString('base64').match(/.{1,76}/g) ?? []),
    '--b--',
  ]);
}

export function mail(subject: string, rest: readonly string[] = ['', 'Hello.']): Buffer {
  return Buffer.from(
    [
      'From: Alice Buyer <alice@example.com>',
      'To: orders@example.com',
      `Subject: ${subject}`,
      'Message-ID: <reused@example.com>',
      'Date: Mon, 2 Nov 2026 08:00:00 +0000',
      ...rest,
      '',
    ].join('\r\n'),
  );
}
