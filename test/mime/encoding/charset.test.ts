import { describe, expect, test } from 'vitest';
import { parse } from '../mail-builder.ts';

const body = (charset: string | null, bytes: Buffer) =>
  parse(
    charset === null ? 'X-None: 1' : `Content-Type: text/plain; charset=${charset}`,
    'Content-Transfer-Encoding: 8bit',
    '',
    bytes,
  );
const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex');

describe('declared charset', () => {
  test.each([
    ['utf-8', 'c3a4 e282ac', 'ä€'],
    ['iso-8859-1', '93e494', '“ä”'],
    ['"ISO-8859-15"', 'a4', '€'],
    ['windows-1252', 'c2 80', 'Â€'],
    ['windows-1252', '4e45534341 46c9ae', 'NESCAFÉ®'],
    ['iso-8859-1', '5155414e544954c9a03a', 'QUANTITÉ\u00a0:'],
    ['windows-1252', '636166e985a0', 'café…\u00a0'],
    ['iso-8859-1', '50c5a041', 'PÅ\u00a0A'],
    ['windows-1252', '50c58520 42c585', 'PÅ… BÅ…'],
    ['iso-8859-2', '5350d3a34b41 2c 50d3a3', 'SPÓŁKA,PÓŁ'],
    ['windows-1250', '56dd8a4b41 4ecd8e45', 'VÝŠKANÍŽE'],
    ['windows-1251', 'd0b3', 'Рі'],
    ['windows-1251', 'e7e0eae0e7', 'заказ'],
    ['koi8-r', 'dac1cbc1da', 'заказ'],
    ['gb18030', 'b6a9b5a5', '订单'],
    ['gb2312', 'b6a9b5a5', '订单'],
    ['big5', 'ad71b3e6', '訂單'],
    ['euc-kr', 'c1d6b9ae', '주문'],
    ['ks_c_5601-1987', 'c1d6b9ae', '주문'],
    ['cp949', 'c1d6b9ae', '주문'],
    ['shift_jis', '928d95b6', '注文'],
    ['cp932', '928d95b6 8740', '注文①'],
    ['x-sjis', '928d95b6', '注文'],
    ['euc-jp', 'c3edcab8', '注文'],
    ['iso-2022-jp', '1b2442 436d 4a38 1b2842', '注文'],
    ['iso-2022-jp', '1b2849 31 32 1b2842 0e 31 0f 1b2442 436d 1b2842 b2', 'ｱｲｱ注ｲ'],
    ['iso-2022-jp', '1b242842 436d 4a38 1b2848 21', '注文!'],
    ['iso-2022-jp', '1b2442 436d 0a 1b2442 1b2442 4a38 1b2842', '注\n文'],
    ['iso-2022-jp', '1b284a 5c 31 1b2842 5c', '¥1\\'],
    ['iso-2022-jp-2', '1b242844 3021 1b2842 41', '丂A'],
    ['ks_c_5601-1987', 'c1d6 94ee 41 98de', '주뷁A샾'],
    ['big5', 'ad71 8740', '訂䏰'],
    ['iso-2022-kr', '1b242943 0e 4156 392e 0f 21', '주문!'],
    ['hz-gb-2312', '7e7b 3629 3525 7e7d', '订单'],
    ['utf-7', '2b2d 20 2b 414f 51 2d', '+ ä'],
    ['utf-16le', 'e400 0a00', 'ä\n'],
    ['windows-874', 'cae8a7', 'ส่ง'],
    ['x-mac-roman', '8a', 'ä'],
  ])('decodes text in the declared charset %s', async (charset, bytes, text) => {
    const email = await body(charset, hex(bytes));
    expect(email.bodyText).toBe(text);
    expect(email.defects).toEqual([]);
  });

  test('detects an unknown charset from the bytes', async () => {
    expect(await body('x-unknown', Buffer.from('Größe'))).toMatchObject({
      bodyText: 'Größe',
      defects: ['charset_guessed', 'charset_unknown'],
    });
    expect((await body('x-unknown', hex('47f6df65'))).bodyText).toBe('Göße');
  });

  test('detects the charset from the bytes when the declared one is wrong', async () => {
    expect((await body('utf-8', hex('47f6df65'))).bodyText).toBe('Göße');
    expect((await body('us-ascii', Buffer.from('Größe'))).bodyText).toBe('Größe');
    for (const text of ['naïve – café', 'Größe é', '주문서 견적', '訂單號碼'])
      for (const charset of ['euc-kr', 'big5'])
        expect((await body(charset, Buffer.from(text))).bodyText).toBe(text);
    expect((await body('utf-16', Buffer.from('Order'))).bodyText).toBe('Order');
    for (const charset of ['iso-8859-1', 'windows-1252', 'windows-1251', 'koi8-r', 'iso-8859-2'])
      expect(await body(charset, Buffer.from('Größe'))).toMatchObject({
        bodyText: 'Größe',
        defects: ['charset_guessed'],
      });
    for (const text of [
      'Zażółć',
      '10 °C',
      '10 €',
      'Ok 😀',
      'Ok ☎️ 🇩🇪',
      'Заказ',
      '注文書番号',
      'Șoșea',
      'שלום עולם',
    ])
      for (const charset of ['iso-8859-1', 'windows-1251'])
        expect((await body(charset, Buffer.from(text))).bodyText).toBe(text);
    const little = Buffer.from('Größe 40', 'utf16le');
    const big = Buffer.from('Größe 40', 'utf16le').swap16();
    for (const bytes of [little, big])
      for (const charset of ['utf-16', 'utf-16be', 'utf-16le', 'utf-8', 'us-ascii', null])
        expect((await body(charset, bytes)).bodyText).toBe('Größe 40');
    for (const text of ['a\0b', 'ab1\0cd2\0ef3\0gh4\0'])
      expect((await body('utf-8', Buffer.from(text))).bodyText).toBe(text.replaceAll('\0', ''));
  });

  test('reports half characters and unknown escapes of ISO-2022-JP', async () => {
    for (const [bytes, text] of [
      ['1b2442 436d 4a 1b2842 41', '注\ufffdA'],
      ['1b2441 3021 1b2842', '\ufffd$A0!'],
    ] as const)
      expect(await body('iso-2022-jp', hex(bytes))).toMatchObject({
        bodyText: text,
        defects: ['text_undecodable'],
      });
  });

  test('keeps the complete characters of truncated UTF-8', async () => {
    expect(await body('utf-8', hex('c3a4 c3b6 c3'))).toMatchObject({
      bodyText: 'äö\ufffd',
      defects: ['text_undecodable'],
    });
  });
});

describe('missing charset', () => {
  test('reads ASCII without a charset and records no defect', async () => {
    expect(await body(null, Buffer.from('Order'))).toMatchObject({ bodyText: 'Order', defects: [] });
  });

  test('detects a missing charset from the bytes: ISO-2022-JP, UTF-8, windows-1252', async () => {
    for (const [bytes, text] of [
      ['1b2442 436d 4a38 1b2842', '注文'],
      ['c3a4', 'ä'],
      ['93e494', '“ä”'],
    ] as const) {
      expect(await body(null, hex(bytes))).toMatchObject({ bodyText: text, defects: ['charset_guessed'] });
    }
  });

  test('takes the charset from the meta element of HTML', async () => {
    const email = await parse(
      'Content-Type: text/html',
      '',
      Buffer.concat([Buffer.from('<meta charset="windows-1251"><p>'), hex('e7e0eae0e7')]),
    );
    expect(email.bodyHtml).toBe('<meta charset="windows-1251"><p>заказ');
    expect(email.defects).toEqual([]);
  });

  test('takes the charset from a byte order mark and removes the mark', async () => {
    expect((await body('iso-8859-1', hex('efbbbf c3a4'))).bodyText).toBe('ä');
    expect((await body(null, hex('fffe e400'))).bodyText).toBe('ä');
  });
});

describe('code pages', () => {
  test.each([
    ['cp850', '8194e1', 'üöß'],
    ['cp-850', '8194e1', 'üöß'],
    ['IBM850', '8194e1', 'üöß'],
    ['ibm-850', '8194e1', 'üöß'],
    ['dos-850', '8194e1', 'üöß'],
    ['cp852', 'a5', 'ą'],
    ['cp437', '8194e1', 'üöß'],
    ['IBM437', '9b', '¢'],
    ['cp857', '8d', 'ı'],
    ['cp860', '84', 'ã'],
    ['cp861', '8d', 'Þ'],
    ['cp863', '82', 'é'],
    ['cp865', '9b', 'ø'],
    ['cp866', '8f', 'П'],
    ['cp737', '80', 'Α'],
    ['cp775', '80', 'Ć'],
    ['macroman', '8a9a', 'äö'],
    ['x-mac-roman', '8a9a', 'äö'],
    ['macintosh', '8a9a', 'äö'],
    ['x-mac-ce', '8a', 'ä'],
    ['utf-32le', 'e4000000', 'ä'],
    ['koi8-r', 'c1', 'а'],
  ])('decodes text in the code page named %s', async (charset, hex, expected) => {
    const email = await parse(`Content-Type: text/plain; charset=${charset}`, '', Buffer.from(hex, 'hex'));
    expect(email).toMatchObject({ bodyText: expected, defects: [] });
  });
});
