import { expect, test } from 'vitest';
import { base64Lines, mail, multipart, parse, part } from '../mail-builder.ts';
import { envelopedData, signedData, signedDataInChunks } from './cms-builder.ts';

const PDF = Buffer.from('%PDF-1.7 pallet order 88');
const ENTITY = mail(
  ...multipart(
    'mixed',
    'signed',
    part(['Content-Type: text/plain; charset=utf-8'], 'Six drums of solvent for hall 3, signed.'),
    part(
      ['Content-Type: application/pdf; name=drums.pdf', 'Content-Transfer-Encoding: base64'],
      base64Lines(PDF),
    ),
  ),
);
const opaque = (bytes: Buffer, type = 'smime-type=signed-data; '): (string | Buffer)[] =>
  part(
    [
      `Content-Type: application/pkcs7-mime; ${type}name="smime.p7m"`,
      'Content-Transfer-Encoding: base64',
      'Content-Disposition: attachment; filename="smime.p7m"',
    ],
    base64Lines(bytes),
  );

test.each([
  ['DER', signedData(ENTITY)],
  ['BER in chunks of 100 bytes', signedDataInChunks(ENTITY, 100)],
])('opens signed data in %s as body and attachments, and keeps the p7m file', async (_, cms) => {
  const email = await parse(...opaque(cms));
  expect(email.bodyText).toContain('Six drums of solvent for hall 3, signed.');
  expect(email.plainText).toBe('Six drums of solvent for hall 3, signed.');
  expect(
    email.attachments.map(({ filename, parentPath, partPath }) => [filename, partPath, parentPath]),
  ).toEqual([
    ['smime.p7m', '1', null],
    ['drums.pdf', '1.2', '1'],
  ]);
  expect(Buffer.from(email.attachments[1]?.content ?? [])).toEqual(PDF);
  expect(email.defects).toEqual(['signature_not_verified']);
});

test('opens signed data without an smime-type, within a multipart and within other signed data', async () => {
  const twice = mail(...opaque(signedData(ENTITY), ''));
  const footer = part(['Content-Type: text/plain'], 'Footer of the list');
  const email = await parse(...multipart('mixed', 'list', opaque(signedData(twice), ''), footer));
  expect(email.plainText).toBe('Six drums of solvent for hall 3, signed.\n\nFooter of the list');
  expect(email.attachments.map(({ filename, partPath }) => [filename, partPath])).toEqual([
    ['smime.p7m', '1'],
    ['smime.p7m', '1.1'],
    ['drums.pdf', '1.1.2'],
  ]);
});

test('keeps encrypted S/MIME as a file and records the defect encrypted', async () => {
  const email = await parse(...opaque(envelopedData(), 'smime-type=enveloped-data; '));
  expect(email.attachments.map(({ filename }) => filename)).toEqual(['smime.p7m']);
  expect(email.defects).toEqual(['body_missing', 'encrypted']);
});

test('records the defect encrypted for a PGP message, in a multipart and in the text', async () => {
  const version = part(['Content-Type: application/pgp-encrypted'], 'Version: 1');
  const data = part(
    ['Content-Type: application/octet-stream; name=encrypted.asc'],
    '-----BEGIN PGP MESSAGE-----',
  );
  expect((await parse(...multipart('encrypted', 'b', version, data))).defects).toContain('encrypted');
  expect((await parse('', '-----BEGIN PGP MESSAGE-----', '', 'hQEM')).defects).toContain('encrypted');
});

test('keeps signed data that is damaged or has no content, with a defect, unless only certificates are declared', async () => {
  const damaged = await parse(...opaque(signedData(ENTITY).subarray(0, 200)));
  expect(damaged.attachments).toHaveLength(1);
  expect(damaged.defects).toContain('cms_unreadable');
  expect((await parse(...opaque(signedData(null)))).defects).toEqual(['body_missing', 'cms_unreadable']);
  const certificates = await parse(...opaque(signedData(null), 'smime-type=certs-only; '));
  expect(certificates.defects).toEqual(['body_missing']);
});

const INVOICE = Buffer.from(
  '<?xml version="1.0"?>\n<p:Invoice xmlns:p="urn:x">\n<Number>4711</Number>\n</p:Invoice>\n',
);
test.each([
  ['order.pdf.p7m', 'application/pkcs7-mime', PDF],
  ['order.xml.p7m', 'application/octet-stream', INVOICE],
  ['order.txt.p7m', 'application/pkcs7-mime', Buffer.from('Dear all: the order.\nQty: 5\n\nBye')],
])('takes the signed file out of %s (%s) and does not read it as the body', async (name, type, content) => {
  const file = part(
    [`Content-Type: ${type}; name="${name}"`, 'Content-Transfer-Encoding: base64'],
    base64Lines(signedData(content)),
  );
  const email = await parse(
    ...multipart('mixed', 'm', part(['Content-Type: text/plain'], 'See the file.'), file),
  );
  expect(email.bodyText).toBe('See the file.');
  expect(
    email.attachments.map(({ filename, parentPath, partPath }) => [filename, partPath, parentPath]),
  ).toEqual([
    [name, '2', null],
    [name.replace('.p7m', ''), '2.1', '2'],
  ]);
  expect(Buffer.from(email.attachments[1]?.content ?? [])).toEqual(content);
  expect(email.defects).toEqual(['signature_not_verified']);
});
