/**
 * Generates the emails of a round together with the expected database content: the exact bytes of the message and of each
 * attachment. It composes MIME directly, so that expectations do not depend on the parser under test.
 */
import { createHash } from 'node:crypto';
import type { RandomChoices } from './random-choices.ts';

export interface GeneratedMail {
  readonly raw: Buffer;
  readonly sha256: string;
  /** SHA-256 of each attachment, sorted. */
  readonly attachments: readonly string[];
}

/** Above 1 MB, from which messages are fetched one at a time. */
const LARGE_BYTES = 1_200_000;

export function generateMail(random: RandomChoices, name: string): GeneratedMail {
  const parts = Array.from({ length: random.pick([0, 1, 1, 1, 2, 3]) }, (_, n) =>
    part(random, `${name}-${n}`),
  );
  const text = `Please find order ${name} attached.\r\nGr\u00fc\u00dfe, \u6ce8\u6587\u66f8\r\n`;
  const lines = [
    'Received: from mail.example.org by mx.example.com; Mon, 02 Nov 2026 09:30:01 +0000',
    'From: Orders <orders@example.org>',
    'To: inbox@example.com',
    `Subject: Purchase order ${name}`,
    'Date: Mon, 02 Nov 2026 09:30:00 +0000',
    // Senders reuse Message-IDs, so they do not identify a message.
    `Message-ID: <order-${random.int(0, 3)}@example.org>`,
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
  /** The expected stored bytes. */
  readonly bytes: Buffer;
}

function part(random: RandomChoices, name: string): Part {
  if (random.chance(0.1)) return forwarded(name);
  const bytes = random.bytes(random.chance(0.04) ? LARGE_BYTES : random.int(1, 40_000));
  const type = random.pick(['application/pdf', 'application/octet-stream', 'image/png', 'text/csv']);
  const disposition = random.pick<readonly string[]>([
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
