import { expect, test } from 'vitest';
import { rtfToText } from '../../../shared/mime/tnef/rtf-text.ts';

const FONTS =
  '{\\fonttbl{\\f0\\fcharset0 Arial;}{\\f1\\fcharset204 Arial Cyr;}{\\f2\\fcharset128 MS Gothic;}{\\f3\\fcharset238 Arial CE;}}';

test.each([
  [
    'a font of another charset',
    `{\\rtf1\\ansi\\ansicpg1252${FONTS}\\f1\\'c7\\'e0\\'ea\\'e0\\'e7\\f0 \\'f6 ok}`,
    'Заказö ok',
  ],
  ['a font within a group', `{\\rtf1\\ansi\\ansicpg1252${FONTS}{\\f2\\'92\\'8d\\'95\\'b6}\\'f6}`, '注文ö'],
  ['the font of the document after \\plain', `{\\rtf1\\ansi${FONTS}\\f1\\'c7\\plain \\'f6}`, 'Зö'],
  ['a Central European font', `{\\rtf1\\ansi${FONTS}\\f3\\'e8\\'edslo}`, 'číslo'],
  ['a Macintosh document', "{\\rtf1\\mac K\\'9aln}", 'Köln'],
  ['the code page of the document', "{\\rtf1\\ansi\\ansicpg932 \\'92\\'8d}", '注'],
  ['Unicode with a fallback', "{\\rtf1\\ansi\\uc1 K\\u246\\'f6ln \\u8364?}", 'Köln €'],
  ['binary data', '{\\rtf1\\ansi one {\\pict\\bin3 }{}} two}', 'one  two'],
])('reads RTF text in %s', (_, rtf, text) => {
  expect(rtfToText(Buffer.from(rtf, 'latin1'), new Set())).toBe(text);
});
