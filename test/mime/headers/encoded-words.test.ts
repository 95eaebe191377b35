import { describe, expect, test } from 'vitest';
import { parseEmail } from '../../../shared/mime/parse-email.ts';
import { mail } from '../mail-builder.ts';

const subjectOf = async (value: string | Buffer) =>
  (await parseEmail(mail(Buffer.concat([Buffer.from('Subject: '), Buffer.from(value)]), '', 'Body'))).subject;

describe('encoded words', () => {
  test.each([
    ['=?UTF-8?Q?Is pallet 88 ready for pickup? [today]?=', 'Is pallet 88 ready for pickup? [today]'],
    ['=?utf-8?Q?When=3F_Today?_Yes?=', 'When? Today? Yes'],
    ['=?utf-8?Q?Ready?=20now?=', 'Ready? now'],
    ['=?utf-8?Q?Ready?=20 pcs', 'Ready20 pcs'],
    ['=?utf-8?Q?one?==?utf-8?Q?two?=', 'onetwo'],
    ['=??B?QXVmdHJhZyA4OA==?= / =??Q?Auftrag_88?=', 'Auftrag 88 / Auftrag 88'],
    ['=??Q?K=C3=B6ln?=', 'Köln'],
    ['=?utf-8?B?w6?= =?utf-8?B?TDtg==?=', 'äö'],
    ['=?utf-8?B?6LO86A==?= =?utf-8?B?srfpg6g=?=', '購買部'],
    ['=?gb2312?B?trk=?= =?gb2312?B?tbE=?=', Buffer.from('豆当').toString()],
    ['=?utf-8?B?w6Q', '=?utf-8?B?w6Q'],
    ['=?cp850?Q?K=94ln?=', 'Köln'],
    ['=?utf-8?Q?K=C3=\r\n B6ln am=C\r\n 3=A4?=', 'Köln amä'],
    ['=?iso-8859-1?Q?Gr=F6=DFe = 50 cm, Qty=5 EA, Type= B2?=', 'Größe = 50 cm, Qty=5 EA, Type= B2'],
    ['=?utf-8?Q?Line_1=0D=0ALine_2=0A?=', 'Line 1 Line 2'],
    ['\r\nSubject: =?utf-8?Q?Line_1?=', 'Line 1'],
    [' \r\nSubject: ', ''],
  ])('decodes the subject %s as %s', async (value, expected) => {
    expect(await subjectOf(value)).toBe(expected);
  });

  test.each([
    ['iso-8859-1', '=?iso-8859-1?Q?f\xfcr K=F6ln?=', 'für Köln'],
    ['windows-1251', '=?windows-1251?Q?\xe7\xe0=EA=E0\xe7?=', 'заказ'],
    ['gb2312', '=?gb2312?Q?=B6\xa9\xb5=A5?=', '订单'],
  ])('decodes raw bytes within an encoded word in its declared charset %s', async (_, value, expected) => {
    expect(await subjectOf(Buffer.from(value, 'latin1'))).toBe(expected);
  });
});
