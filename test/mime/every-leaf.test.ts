import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../emulators/seeded-random.ts';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { base64Lines, between, HEAD, mail } from './mail-builder.ts';

/** @returns a generator of integers below a bound; the same seed gives the same sequence */
function seeded(seed: number): (below: number) => number {
  const random = seededRandom(seed);
  return (below) => Math.floor(random() * 2 ** 32) % below;
}

interface Tree {
  readonly lines: (string | Buffer)[];
  /** The decoded bytes of every leaf. */
  readonly leaves: Buffer[];
}

function leaf(random: (below: number) => number): Tree {
  const type =
    ['text/plain', 'text/html', 'text/csv', 'application/pdf', 'message/rfc822', 'image/png'][random(6)] ??
    '';
  const headers = [
    `Content-Type: ${type}${random(3) === 0 ? `; name=f${random(99)}.bin` : '; charset=utf-8'}`,
  ];
  if (random(3) === 0) headers.push(`Content-Disposition: ${['attachment', 'inline'][random(2)]}`);
  // Text has only letters, because binary text does not become a body.
  const isText = type === 'text/plain' || type === 'text/html';
  const length = random(300) + 1;
  const bytes = Buffer.from(Array.from({ length }, () => (isText ? 97 + random(26) : random(256))));
  const encoding = random(3);
  if (encoding === 0) {
    const quoted = [...bytes].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`);
    const lines = quoted.join('').match(/.{1,75}/g) ?? [];
    return {
      lines: [...headers, 'Content-Transfer-Encoding: quoted-printable', '', lines.join('=\r\n')],
      leaves: [bytes],
    };
  }
  if (encoding === 1 && !bytes.includes('\n--')) return { lines: [...headers, '', bytes], leaves: [bytes] };
  return {
    lines: [...headers, 'Content-Transfer-Encoding: base64', '', base64Lines(bytes)],
    leaves: [bytes],
  };
}

function tree(random: (below: number) => number, depth: number): Tree {
  if (depth === 0 || random(3) === 0) return leaf(random);
  const children = Array.from({ length: 1 + random(4) }, () => tree(random, depth - 1));
  const subtype = ['mixed', 'alternative', 'related', 'signed', 'report'][random(5)];
  const boundary = `=_${depth}_${random(1_000_000)}`;
  const preamble = random(2) === 0 ? ['This is a multi-part message in MIME format.'] : [];
  const parts = between(boundary, ...children.map(({ lines }) => lines));
  return {
    lines: [`Content-Type: multipart/${subtype}; boundary="${boundary}"`, '', ...preamble, ...parts],
    leaves: children.flatMap(({ leaves }) => leaves),
  };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('leaf parts', () => {
  it('stores every leaf part exactly once, as body or attachment, byte for byte', async () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const { lines, leaves } = tree(seeded(seed), 4);
      const email = await parseEmail(mail(...HEAD, ...lines));
      const files = email.attachments
        .filter(({ parentPath }) => parentPath === null)
        .map((attachment) => attachment.sha256);
      const bodies = `${email.bodyText ?? ''}\n${email.bodyHtml ?? ''}`;
      // The longest text is removed first: a shorter one may occur within it.
      const texts = leaves.filter((bytes) => !files.includes(sha256(bytes)));
      const rest = texts
        .toSorted((left, right) => right.length - left.length)
        .reduce((left, bytes) => left.replace(bytes.toString(), ''), bodies);
      expect(rest.trim(), `seed ${seed}`).toBe('');
      expect(files.length + texts.length, `seed ${seed}`).toBe(leaves.length);
      for (const attachment of email.attachments) {
        expect(attachment.sha256).toBe(sha256(attachment.content));
        expect(attachment.sizeBytes).toBe(attachment.content.length);
      }
      const paths = email.attachments.map(({ partPath }) => partPath);
      expect(new Set(paths).size, `seed ${seed}`).toBe(paths.length);
    }
  });

  it('parses a truncated email with changed bytes without an exception', async () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = seeded(seed);
      const whole = mail(...HEAD, ...tree(random, 3).lines);
      const damaged = Buffer.from(whole.subarray(0, random(whole.length)));
      for (let flips = random(10); flips > 0 && damaged.length > 0; flips -= 1)
        damaged[random(damaged.length)] = random(256);
      const email = await parseEmail(damaged);
      expect(email.defects, `seed ${seed}`).not.toContain('reader_failed');
    }
  });
});
