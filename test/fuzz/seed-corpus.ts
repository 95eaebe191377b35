/**
 * The emails that the fuzzer mutates. They are the sample orders of the local stack, small emails for formats that the
 * samples lack (winmail.dat, digests, shifted charsets, uuencode), and the files of an optional folder.
 * Invariant: the same folder gives the same emails in the same order, so that a seed and a number identify one mutated
 * email.
 */
import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { samplePurchaseOrders } from '../../emulators/samples/samples.ts';
import { base64Lines, between, HEAD, mail, multipart, part } from '../mime/mail-builder.ts';
import { signedDataInChunks } from '../mime/smime/cms-builder.ts';
import {
  attachment,
  attribute,
  binary,
  ID,
  object,
  properties,
  tnef,
  unicode,
} from '../mime/tnef/tnef-builder.ts';

/** Larger files would take most of the time and find no additional failures. */
const MAX_FILE_BYTES = 1_000_000;

export interface SeedCorpus {
  readonly emails: readonly Buffer[];
  /** Identifies the corpus: with the same digest, a seed and a number give the same mutated email. */
  readonly digest: string;
}

export async function loadSeedCorpus(corpus: string | null): Promise<SeedCorpus> {
  // The samples contain this time. It is fixed, because a seed must always give the same emails.
  const orders = await samplePurchaseOrders(new Date(Date.UTC(2026, 10, 2, 9)));
  const emails = [
    ...orders.map((order) => order.raw),
    ...handwritten(),
    ...(corpus === null ? [] : filesBelow(corpus)),
  ].filter((raw) => raw.length > 0 && raw.length <= MAX_FILE_BYTES);
  const all = hash('sha256', emails.map((raw) => hash('sha256', raw, 'hex')).join(' '), 'hex');
  return { emails, digest: all.slice(0, 12) };
}

function filesBelow(folder: string): Buffer[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(?:eml|raw|txt|msg|mbox)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return files.flatMap((path) => {
    const bytes = readFileSync(path);
    return path.endsWith('.mbox') ? mboxEmails(bytes) : [bytes];
  });
}

/** The emails of an mbox. Each keeps its separator line, which the parser must skip. */
function mboxEmails(mbox: Buffer): Buffer[] {
  return mbox
    .toString('latin1')
    .split(/^(?=From )/m)
    .map((text) => Buffer.from(text, 'latin1'));
}

function handwritten(): Buffer[] {
  const pdf = Buffer.from('%PDF-1.7 order');
  const text = part(['Content-Type: text/plain; charset=utf-8'], 'Order 4711');
  const html = part(['Content-Type: text/html'], '<p>Order</p><img src="cid:logo@example.com">');
  const file = part(
    [
      'Content-Type: application/pdf; name="=?utf-8?Q?Auftrag=C3=A4.pdf?="',
      'Content-Transfer-Encoding: base64',
    ],
    base64Lines(Buffer.alloc(900, pdf)),
  );
  const named = part(
    [
      "Content-Disposition: attachment; filename*0*=utf-8''%e6%b3%a8; filename*1*=%e6%96%87; filename*2=.pdf",
      'Content-ID: <logo@example.com>',
    ],
    'FILE',
  );
  const message = part(['Content-Type: message/rfc822'], ...HEAD, ...multipart('mixed', 'inner', text, file));
  const list = properties(
    unicode(0x1000, 'Outlook text'),
    binary(0x1013, Buffer.from('<p>x</p>')),
    binary(0x1009, RTF),
  );
  const inner = tnef(attribute(1, ID.messageProperties, list), attachment('A.PDF', pdf));
  const winmail = part(
    ['Content-Type: application/ms-tnef; name=winmail.dat', 'Content-Transfer-Encoding: base64'],
    base64Lines(
      tnef(
        attribute(1, ID.codepage, Buffer.from('e304000000000000', 'hex')),
        attribute(1, ID.messageProperties, list),
        attachment('ORDER~1.PDF', pdf, unicode(0x3707, 'Bestellung.pdf'), unicode(0x370e, 'application/pdf')),
        attachment('message', null, object(0x3701, inner)),
      ),
    ),
  );
  const shifted = (charset: string, body: Buffer) =>
    mail(...HEAD, `Content-Type: text/plain; charset=${charset}`, '', body);
  const signed = part(
    ['Content-Type: application/pkcs7-mime; smime-type=signed-data', 'Content-Transfer-Encoding: base64'],
    base64Lines(signedDataInChunks(mail(...multipart('mixed', 'signed', text, file)), 100)),
  );
  const encodedMessage = part(
    ['Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64'],
    base64Lines(mail(...HEAD, ...multipart('mixed', 'b', html, winmail))),
  );
  return [
    mail(...HEAD, ...signed),
    mail(...HEAD, ...multipart('mixed', 'b', signed, encodedMessage)),
    mail(
      'From: Muster, "Hanna (Sales" <a@example.com>',
      'Content-Type: ; boundary=b',
      ...between('b', text, file),
    ),
    mail(
      ...HEAD,
      'Content-Type: text/plain; format=flowed; delsp=yes; charset=cp850',
      '',
      'Gr\u00f6\u00dfe ',
      '> 7 ',
      '> 8',
    ),
    mail(...HEAD, ...multipart('mixed', 'b', text, winmail)),
    mail(...HEAD, ...winmail),
    mail(
      ...HEAD,
      ...multipart('mixed', 'b', multipart('alternative', 'b-a', text, html), file, named, message),
    ),
    mail(...HEAD, ...multipart('digest', 'd', part([], ...HEAD, '', 'one'), part([], ...HEAD, '', 'two'))),
    mail(...HEAD, ...multipart('related', 'r', html, named)),
    mail(...HEAD, '', 'Text', 'begin 644 order.pdf', '.)5!$1BTQ+C<@;W)D97(', '`', 'end', 'more'),
    mail(...HEAD, 'Content-Transfer-Encoding: quoted-printable', '', 'Gr=C3=B6=C3=9Fe =\r\n7 =20'),
    shifted('iso-2022-jp', Buffer.from('\x1b$BCmJ8=q\x1b(B 4711', 'latin1')),
    shifted('utf-7', Buffer.from('Gr+APYA3w-e')),
    shifted('hz-gb-2312', Buffer.from('~{6)5%~} 4711')),
    shifted('utf-16', Buffer.from('\ufeffOrder 4711', 'utf16le')),
    mail('From sender Mon Nov  2 09:00:00 2026', ...HEAD, '', 'From an mbox'),
  ];
}

/** The first example of [MS-OXRTFCP]. */
const RTF = Buffer.from(
  '2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0',
  'hex',
);
