import { describe, expect, test } from 'vitest';
import { parse } from '../mail-builder.ts';

describe('linked files', () => {
  test.each([
    'https://drive.google.com/file/d/1a/view',
    'https://docs.google.com/spreadsheets/d/1a',
    'https://1drv.ms/b/s!A',
    'https://example.sharepoint.com/:b:/g/order.pdf',
    'https://www.dropbox.com/scl/fi/a/order.pdf?dl=0',
  ])('records a defect for a file that the email only links to at %s', async (url) => {
    expect((await parse('', `The order: ${url}`)).defects).toEqual(['linked_files']);
    const page = await parse('Content-Type: text/html', '', `<a href="${url}">order.pdf</a>`);
    expect(page.defects).toEqual(['linked_files']);
  });

  test('records no defect for a link to another site', async () => {
    expect(
      (await parse('', 'https://example.com/drive.google.com/file/d/1 https://google.com')).defects,
    ).toEqual([]);
  });
});
