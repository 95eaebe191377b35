import { describe, expect, test } from 'vitest';
import { base64Lines, parse } from '../mail-builder.ts';

/** Every byte value: a conversion to text anywhere in the parser would change them. */
const BYTES = Buffer.from(Array.from({ length: 4099 }, (_, index) => (index * 7 + (index >> 8)) & 0xff));

const decode = async (encoding: string, ...lines: (string | Buffer)[]) => {
  const email = await parse(
    'Content-Type: application/x; name=x',
    `Content-Transfer-Encoding: ${encoding}`,
    '',
    ...lines,
  );
  const defects = email.defects.filter((defect) => defect !== 'body_missing' && defect !== 'file_empty');
  return { content: Buffer.from(email.attachments[0]?.content ?? []), defects };
};
const text = async (encoding: string, ...lines: string[]): Promise<[string, string[]]> => {
  const { content, defects } = await decode(encoding, ...lines);
  return [content.toString('latin1'), defects];
};

describe('base64', () => {
  test('decodes base64 to the exact bytes, on many lines, on one line, and with any ending', async () => {
    for (const length of [0, 1, 2, 3, 4, 4098, 4099]) {
      const bytes = BYTES.subarray(0, length);
      for (const lines of [base64Lines(bytes), bytes.toString('base64'), `${base64Lines(bytes)}\r\n\r\n`]) {
        expect(await decode('BASE64', lines)).toEqual({ content: bytes, defects: [] });
      }
    }
  });

  test.each([72, 73, 74, 75, 3, 1])(
    'decodes base64 to the exact bytes when its lines have %i digits',
    async (digits) => {
      const lines = BYTES.toString('base64').replace(new RegExp(`.{${digits}}`, 'g'), '$&\r\n');
      expect(await decode('base64', lines)).toEqual({ content: BYTES, defects: [] });
    },
  );

  test.each([4000, 4001, 4002, 4003])(
    'decodes base64 to the exact bytes when junk follows %i digits',
    async (at) => {
      const digits = BYTES.toString('base64');
      const line = `${digits.slice(0, at)}*${digits.slice(at)}`;
      expect(await decode('base64', line)).toEqual({ content: BYTES, defects: ['base64_junk'] });
    },
  );

  test.each([
    [
      'skips junk between the characters of base64',
      ['SGVs*bG8g!d29y', 'bGQ='],
      'Hello world',
      ['base64_junk'],
    ],
    ['skips a hyphen and an underscore in base64 as junk', ['SGVs-bG8_='], 'Hello', ['base64_junk']],
    ['decodes base64 without its padding completely', ['SGVsbG8'], 'Hello', ['base64_truncated']],
    [
      'drops an incomplete byte at the end of base64',
      ['SGVsbG8gd29ybGQhA'],
      'Hello world!',
      ['base64_truncated'],
    ],
    ['joins pieces of base64 that have their own padding', ['SGVsbG8=', 'IHdvcmxk'], 'Hello world', []],
    [
      'leaves out a footer below the padding of base64',
      ['SGVsbG8=', '____', 'list@example.com'],
      'Hello',
      ['base64_trailing_text'],
    ],
  ])('%s', async (_, lines, expected, defects) => {
    expect(await text('base64', ...lines)).toEqual([expected, defects]);
  });

  test('keeps plain text that is wrongly declared as base64', async () => {
    const prose =
      'Please send us three pieces of the part that we talked about on the phone this morning. '.repeat(3);
    for (const words of [
      prose,
      'Order 4711',
      'Please deliver 5 pcs.',
      '<Order>4711</Order>',
      'item;qty\r\nA-1;5',
      'Dear Ann,\r\nnine pumps\r\nBob',
    ])
      expect(await text('base64', words)).toEqual([words, ['transfer_encoding_wrong']]);
  });

  test('decodes base64 that follows the head of a data URL', async () => {
    const url = `data:application/pdf;name=a.pdf;base64,${base64Lines(BYTES)}`;
    expect(await decode('base64', url)).toEqual({ content: BYTES, defects: ['base64_junk'] });
  });

  test('decodes short base64 that a gateway has split by spaces', async () => {
    expect((await text('base64', 'SGVs bG8g d29y bGQ='))[0]).toBe('Hello world');
  });
});

describe('quoted-printable', () => {
  test.each([
    ['a=3Db=E4=e4', 'a=b\xe4\xe4', []],
    ['soft=\r\n break=  \r\nhere=', 'soft breakhere', []],
    ['doubled=\r\r\n and = \ralone=\r', 'doubled and alone', []],
    ['line\r\nends \r\nstay', 'line\r\nends \r\nstay', []],
    ['1 = 2 =ZZ =4', '1 = 2 =ZZ =4', ['quoted_printable_malformed']],
  ])('decodes the quoted-printable text %j', async (encoded, expected, defects) => {
    expect(await text('quoted-printable', encoded)).toEqual([expected, defects]);
  });

  test('decodes quoted-printable to the exact bytes', async () => {
    const encoded = [...BYTES].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
    const lines = encoded.match(/.{1,75}/g)?.join('=\r\n') ?? '';
    expect((await decode('Quoted-Printable', lines)).content).toEqual(BYTES);
  });
});

describe('other encodings', () => {
  test('reads the encoding that changes bytes when several are declared, and common misspellings', async () => {
    for (const encoding of [
      '7bit\r\nContent-Transfer-Encoding: base64',
      'x-base64',
      '\r\nContent-Transfer-Encoding: base64',
    ])
      expect((await text(encoding, 'SGVsbG8='))[0]).toBe('Hello');
    for (const encoding of [
      '8bit\r\nContent-Transfer-Encoding: quoted-printable',
      'quoted printable',
      'x-quoted-printable',
    ])
      expect((await text(encoding, 'H=65llo'))[0]).toBe('Hello');
  });

  test('leaves bytes of identity encodings unchanged', async () => {
    const bytes = Buffer.concat([BYTES, Buffer.from('\r\n\n\r\0')]);
    for (const encoding of ['7bit', '8bit', 'binary', '8BIT (comment)']) {
      expect(await decode(encoding, bytes)).toEqual({ content: bytes, defects: [] });
    }
    expect((await decode('x-rot13', bytes)).defects).toEqual(['transfer_encoding_unknown']);
  });

  test('decodes the uuencode transfer encoding', async () => {
    expect(await text('x-uuencode', 'begin 644 a.txt', '+:&5L;&\\@=V]R;&0', '`', 'end')).toEqual([
      'hello world',
      [],
    ]);
    expect((await text('uuencode', 'no block'))[1]).toEqual(['uuencode_damaged']);
  });
});
