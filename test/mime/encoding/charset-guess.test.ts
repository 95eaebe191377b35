import { encode } from 'iconv-lite';
import { describe, expect, test } from 'vitest';
import { parseEmail } from '../../../shared/mime/parse-email.ts';
import { base64Lines, mail, multipart, PDF, parse, part } from '../mail-builder.ts';

/** One sentence of an order and a short subject, in charsets that senders of that language use. */
const SAMPLES: readonly (readonly [charset: string, subject: string, sentence: string])[] = [
  ['gb18030', '采购订单 4711', '您好，附件是我们公司的采购订单，请在本月十五日之前交货并确认价格。'],
  ['gb18030', '询价：上海机电设备', '请报价下列产品：轴承 20 件，电机 3 台。谢谢！'],
  ['big5', '採購訂單 4711', '您好，附件是我們公司的採購訂單，請在本月十五日之前交貨並確認價格。'],
  [
    'shift_jis',
    '注文書の送付 4711',
    'お世話になっております。注文書を添付いたしますので、納期をご確認ください。',
  ],
  ['shift_jis', 'プリンタ用カタログのご注文', '下記の商品を注文します。数量：２０個。'],
  [
    'euc-jp',
    '注文書の送付 4711',
    'お世話になっております。注文書を添付いたしますので、納期をご確認ください。',
  ],
  ['euc-kr', '주문서 4711', '안녕하세요. 첨부된 주문서를 확인하시고 납품 일정을 알려 주시기 바랍니다.'],
  ['euc-kr', '견적 요청', '베어링 20개와 모터 3대의 견적을 부탁드립니다.'],
  [
    'windows-1251',
    'Заказ 4711',
    'Здравствуйте! Просим поставить двадцать ящиков болтов до пятнадцатого числа.',
  ],
  ['windows-1251', 'ЗАЯВКА НА ПОСТАВКУ', 'ПРОСИМ ВЫСТАВИТЬ СЧЕТ НА ОПЛАТУ'],
  ['koi8-r', 'Заказ 4711', 'Здравствуйте! Просим поставить двадцать ящиков болтов до пятнадцатого числа.'],
  ['koi8-r', 'Заявка на поставку', 'Просим выставить счет на оплату.'],
  [
    'iso-8859-5',
    'Заказ 4711',
    'Здравствуйте! Просим поставить двадцать ящиков болтов до пятнадцатого числа.',
  ],
  ['cp866', 'Заказ 4711', 'Здравствуйте! Просим поставить двадцать ящиков болтов до пятнадцатого числа.'],
  [
    'windows-1253',
    'Παραγγελία 4711',
    'Σας στέλνουμε την παραγγελία μας. Παρακαλούμε επιβεβαιώστε την παράδοση.',
  ],
];

const line = (name: string, text: string, charset: string): Buffer =>
  Buffer.concat([Buffer.from(`${name}: `), encode(text, charset)]);

describe('text of another script without a charset', () => {
  test.each(SAMPLES)('reads a raw %s body, subject and sender: %s', async (charset, subject, sentence) => {
    const email = await parseEmail(
      mail(
        line('From', `${subject} <ann@example.com>`, charset),
        line('Subject', subject, charset),
        'Date: Tue, 3 Nov 2026 10:15:00 +0100',
        '',
        encode(sentence, charset),
      ),
    );
    expect(email).toMatchObject({
      subject,
      from: { name: subject, address: 'ann@example.com' },
      bodyText: sentence,
      defects: ['charset_guessed', 'header_8bit'],
    });
  });

  test.each(SAMPLES)('reads a %s body in base64 without any other text: %s', async (charset, _, sentence) => {
    const headers = ['Content-Type: text/plain', 'Content-Transfer-Encoding: base64'];
    const email = await parse(...part(headers, base64Lines(encode(sentence, charset))));
    expect(email).toMatchObject({ bodyText: sentence, defects: ['charset_guessed'] });
  });

  test.each(SAMPLES)('reads a %s body after 20 KB of ASCII: %s', async (charset, _, sentence) => {
    const headers = ['Content-Type: text/plain', 'Content-Transfer-Encoding: base64'];
    const text = `${'Bolt M8x40, galvanized, 200 pcs\n'.repeat(640)}${sentence}`;
    const email = await parse(...part(headers, base64Lines(encode(text, charset))));
    expect(email).toMatchObject({ bodyText: text, defects: ['charset_guessed'] });
  });

  test.each([
    ['us-ascii', 'gb18030', '您好，附件是我们公司的采购订单，请确认价格。'],
    ['utf-8', 'gb18030', '您好，附件是我们公司的采购订单，请确认价格。'],
    ['x-unknown', 'big5', '您好，附件是我們公司的採購訂單，請確認價格。'],
    ['unknown-8bit', 'windows-1251', 'Просим поставить двадцать ящиков болтов.'],
    ['utf-8', 'koi8-r', 'Просим поставить двадцать ящиков болтов.'],
    ['iso-2022-jp', 'shift_jis', '注文書を添付いたしますので、納期をご確認ください。'],
    ['iso-8859-1', 'shift_jis', '注文書を添付いたしますので、納期をご確認ください。'],
    ['windows-1252', 'gb18030', '您好，附件是我们公司的采购订单，请确认价格。'],
    ['iso-8859-1', 'windows-1251', 'Просим поставить двадцать ящиков болтов.'],
    ['iso-8859-1', 'windows-1253', 'Σας στέλνουμε την παραγγελία μας.'],
  ])('reads a body that is declared as %s but is %s', async (declared, charset, sentence) => {
    const email = await parse(`Content-Type: text/plain; charset=${declared}`, '', encode(sentence, charset));
    expect(email.bodyText).toBe(sentence);
    expect(email.defects).toContain('charset_guessed');
  });
});

describe('text that declares a Western charset', () => {
  test('in which four letters beyond ASCII follow each other stays Western', async () => {
    for (const text of [
      '«ÄÖÜÄÖÜ» éèêë',
      '……““””„‚',
      'Ærøø Åå ØØÅÅ, ÞÆÖÐ',
      '±0,5 × 20 °C ½" ¼" ±°',
      'Straße für ÄÖÜß\u00a0\u00a0\u00a0€',
      'Acentos: áéíóú ÁÉÍÓÚ üñ',
      'Prova lettere àèìòù',
      'àâäéèêëîïôöùûüç',
      'ÅÆØÐÞ åæøðþ',
      'ÈÌÒÙ àèìòù, ÈÌÒÙ',
    ])
      expect(
        (await parse('Content-Type: text/plain; charset=windows-1252', '', encode(text, 'win1252'))).bodyText,
      ).toBe(text);
  });

  test.each(['utf-8', 'iso-8859-1', 'windows-1252', 'shift_jis'])(
    '%s, but has the escapes of ISO-2022-JP',
    async (declared) => {
      const jis = '\u001b$BCmJ8=q\u001b(B 4711';
      const email = await parse(`Content-Type: text/plain; charset=${declared}`, '', jis);
      expect(email).toMatchObject({ bodyText: '注文書 4711', defects: ['charset_guessed'] });
    },
  );
});

describe('text that is too short for a guess', () => {
  const fileOf = (charset: string): Buffer =>
    Buffer.concat([
      Buffer.from('Content-Type: application/pdf; name="'),
      encode(
        { gb18030: '订单', big5: '訂單', 'euc-kr': '주문', koi8: 'Да', shift_jis: '注文' }[charset] ?? 'Да',
        charset,
      ),
      Buffer.from('.pdf"'),
    ]);

  test.each([
    [
      'an encoded word',
      'gb18030',
      'X-A: 1',
      `Subject: =?GB2312?B?${encode('订单', 'gb18030').toString('base64')}?=`,
      '订单.pdf',
    ],
    ['Content-Language', 'big5', 'Content-Language: zh-TW', 'Subject: Order', '訂單.pdf'],
    ['Content-Language', 'euc-kr', 'Content-Language: ko', 'Subject: Order', '주문.pdf'],
    [
      'an encoded word in ISO-2022-JP',
      'shift_jis',
      'X-A: 1',
      'Subject: =?ISO-2022-JP?B?GyRCQ21KOBsoQg==?=',
      '注文.pdf',
    ],
    ['an encoded word', 'koi8-r', 'X-A: 1', 'Subject: =?koi8-r?Q?=E4=C1?=', 'Да.pdf'],
  ])('is read in the charset that %s names: %s', async (_, charset, first, second, filename) => {
    const email = await parseEmail(
      mail(
        'From: ann@example.com',
        first,
        second,
        ...multipart('mixed', 'b', part(['Content-Type: text/plain'], 'See the file.'), [
          fileOf(charset),
          '',
          PDF,
        ]),
      ),
    );
    expect(email.attachments.map((file) => file.filename)).toEqual([filename]);
  });

  test('is read in the charset of another text of the message', async () => {
    const email = await parseEmail(
      mail(
        line('Subject', '订单', 'gb18030'),
        ...multipart(
          'alternative',
          'b',
          part(['Content-Type: text/plain'], encode('订单', 'gb18030')),
          part(['Content-Type: text/html; charset=gb2312'], encode('<p>订单</p>', 'gb18030')),
        ),
      ),
    );
    expect(email).toMatchObject({ subject: '订单', bodyText: '订单' });
  });

  test('is read as windows-1250 when another header is Polish', async () => {
    const email = await parseEmail(
      mail(
        'From: =?iso-8859-2?Q?Zam=F3wienia?= <ann@example.com>',
        line('Subject', 'Zamówienie śrub', 'iso-8859-2'),
        '',
        encode('Proszę o dostawę', 'iso-8859-2'),
      ),
    );
    expect(email).toMatchObject({ subject: 'Zamówienie śrub', bodyText: 'Proszę o dostawę' });
  });
});

describe('Western text without a charset', () => {
  test.each([
    'Größe 12, Gehäuse für Köln, Straße 5, ÄÖÜ äöüß',
    'Être livré à Orléans « déjà réglé »',
    'Pedido nº 4711 – ¿cuándo llegará? ¡Gracias, señor Núñez!',
    'ÅÄÖÅÄÖ är bokstäver',
    '————————————————\r\nÖffnungszeiten: 8–17 Uhr\r\n•••• Grüße ••••',
    '§§§§ 1–3 BGB, 20 °C ±2 µm',
    'Désignation\u00a0\u00a0\u00a0\u00a0Quantité\r\nBureau à tiroirs\u00a0\u00a0\u00a0\u00a03',
    'Größe\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a012 Stück zu 20 €',
    '— «\u00a0À bientôt\u00a0»\u00a0–\u00a0«\u00a0À demain\u00a0»',
    'Tórshavn, Føroyar\r\n»\u00a0–\u00a0«\u00a0Ø\u00a0»',
    'España: año, niño, señor\r\n»\u00a0–\u00a0«\u00a0',
    'La merce è pronta. È in magazzino: è disponibile.\r\n————————————',
    'De 8 h à 10 h, à Lyon. À bientôt !\r\n»\u00a0–\u00a0«',
    'Husk å signere, å svare og å ringe. Å vente går ikke.\r\n••••••',
    'O pedido é urgente. É hoje. O valor é este.\r\n“”‘’',
  ])('is read as windows-1252: %s', async (sentence) => {
    const email = await parse('Content-Type: text/plain', '', encode(sentence, 'windows-1252'));
    expect(email).toMatchObject({
      bodyText: sentence.replaceAll('\r\n', '\n'),
      defects: ['charset_guessed'],
    });
  });

  test.each(['windows-1251', 'koi8-r'])(
    'is read as windows-1252 although the name of a recipient is in %s',
    async (charset) => {
      const name = encode('Иван', charset).toString('base64');
      const sentence = 'Grüße aus Köln: die Stühle für das Büro kommen übermorgen, Größe 12.';
      const email = await parse(
        `To: =?${charset}?B?${name}?= <i@example.com>`,
        '',
        encode(sentence, 'latin1'),
      );
      expect(email.bodyText).toBe(sentence);
    },
  );
});
