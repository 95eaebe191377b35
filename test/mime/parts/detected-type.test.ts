import { describe, expect, test } from 'vitest';
import writeXlsxFile from 'write-excel-file/node';
import { detectType } from '../../../shared/mime/parts/detected-type.ts';

/** The first bytes of a compound file whose directory lists one stream. */
function compoundFile(stream: string): Buffer {
  const file = Buffer.alloc(2048);
  file.write('d0cf11e0a1b11ae1', 'hex');
  file.writeUInt16LE(9, 30);
  file.writeUInt32LE(1, 48);
  file.write('Root Entry', 1024, 'utf16le');
  file.write(stream, 1024 + 128, 'utf16le');
  return file;
}

describe('detected type', () => {
  test.each([
    ['%PDF-1.7', 'application/pdf'],
    ['\r\n \r\n%PDF-1.4', 'application/pdf'],
    ['<?xml version="1.0"?><Order/>', 'application/xml'],
    ['<!DOCTYPE html><html>', 'text/html'],
    ['BEGIN:VCALENDAR\r\n', 'text/calendar'],
    ['{\\rtf1 x}', 'application/rtf'],
    ['\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'image/png'],
    ['0\x82\x01\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02', 'application/pkcs7-mime'],
    ['BMW;3;order', null],
    ['MZ is a car plate', null],
    ['sku,qty\r\nA-1,3', null],
    ['', null],
  ])('detects the type of a file that begins with %j as %s', async (text, type) => {
    expect(await detectType(Buffer.from(text, 'latin1'))).toBe(type);
  });

  test('distinguishes an Excel sheet from any other archive', async () => {
    const sheet = await writeXlsxFile([[{ value: 'A-1' }, { value: 3 }]]).toBuffer();
    expect(await detectType(sheet)).toBe('application/vnd.openxmlformats-officedocument.spreadsheetml.sheet');
  });

  test.each([
    ['WordDocument', 'application/msword'],
    ['Workbook', 'application/vnd.ms-excel'],
    ['PowerPoint Document', 'application/vnd.ms-powerpoint'],
    ['__properties_version1.0', 'application/vnd.ms-outlook'],
    ['Other', 'application/x-cfb'],
  ])('recognizes an old Office file by its stream %s', async (stream, type) => {
    expect(await detectType(compoundFile(stream))).toBe(type);
  });
});
