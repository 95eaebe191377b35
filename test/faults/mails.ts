/**
 * The mails that a round delivers, and what must stand in the database for each: the exact bytes, and the bytes of
 * every attachment. Written by hand, so that what is expected does not come from the reader that is tested.
 */
import { createHash } from 'node:crypto';
import type { Chance } from './chance.ts';

export interface FaultMail {
  readonly raw: Buffer;
  readonly sha256: string;
  /** SHA-256 of each attachment, sorted. */
  readonly attachments: readonly string[];
}

/** Above the megabyte from which bodies are read one at a time. */
const LARGE_BYTES = 1_200_000;

export function makeMail(chance: Chance, name: string): FaultMail {
  const parts = Array.from({ length: chance.pick([0, 1, 1, 1, 2, 3]) }, (_, n) =>
    part(chance, `${name}-${n}`),
  );
  const text = `Please find order ${name} attached.\r\nGr\u00fc\u00dfe, \u6ce8\u6587\u66f8\r\n`;
  const lines = [
    'Received: from mail.example.org by mx.example.com; Mon, 02 Nov 2026 09:30:01 +0000',
    'From: Orders <orders@example.org>',
    'To: inbox@example.com',
    `Subject: Purchase order ${name}`,
    'Date: Mon, 02 Nov 2026 09:30:00 +0000',
    // Senders reuse it: it identifies nothing.
    `Message-ID: <order-${chance.int(0, 3)}@example.org>`,
    'MIME-Version: 1.0',
    ...(parts.length === 0
      ? ['Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit', '', text]
      : [
          'Content-Type: multipart/mixed; boundary="part"',
          '',
          '--part',
          'Content-Type: text/plain; charset=utf-8',
          'Content-Transfer-Encoding: 8bit',
          '',
          text,
          ...parts.flatMap(({ lines: inner }) => ['--part', ...inner]),
          '--part--',
          '',
        ]),
  ];
  const raw = Buffer.from(lines.join('\r\n'));
  return { raw, sha256: sha256(raw), attachments: parts.map((one) => sha256(one.bytes)).sort() };
}

interface Part {
  readonly lines: readonly string[];
  /** As they must be stored. */
  readonly bytes: Buffer;
}

function part(chance: Chance, name: string): Part {
  if (chance.happens(0.1)) return forwarded(name);
  const bytes = chance.bytes(chance.happens(0.04) ? LARGE_BYTES : chance.int(1, 40_000));
  const type = chance.pick(['application/pdf', 'application/octet-stream', 'image/png', 'text/csv']);
  const disposition = chance.pick<readonly string[]>([
    [`Content-Disposition: attachment; filename="${name}.bin"`],
    [`Content-Disposition: inline; filename="${name}.bin"`],
    [],
  ]);
  return {
    bytes,
    lines: [
      `Content-Type: ${type}; name="${name}.bin"`,
      ...disposition,
      'Content-Transfer-Encoding: base64',
      '',
      (bytes.toString('base64').match(/.{1,76}/g) ?? []).join('\r\n'),
    ],
  };
}

function forwarded(name: string): Part {
  const lines = [
    'From: Site <site@example.org>',
    `Subject: Order ${name} of the site`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    `Twelve pieces of ${name}.`,
  ];
  return {
    bytes: Buffer.from(lines.join('\r\n')),
    lines: [
      'Content-Type: message/rfc822',
      `Content-Disposition: attachment; filename="${name}.eml"`,
      '',
      ...lines,
    ],
  };
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
