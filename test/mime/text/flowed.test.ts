import { describe, expect, test } from 'vitest';
import { parse } from '../mail-builder.ts';

describe('flowed text', () => {
  const flowed = async (parameters: string, ...lines: string[]) =>
    (await parse(`Content-Type: text/plain; charset=utf-8; format=flowed${parameters}`, '', ...lines))
      .bodyText;

  test('joins flowed text without the space when delsp is yes', async () => {
    expect(await flowed('; delsp=yes', '部品番号は ', 'B-7-XY ', '-09です。', '', '終わり')).toBe(
      '部品番号はB-7-XY-09です。\n\n終わり',
    );
  });

  test('joins flowed text with the space otherwise, and removes stuffed spaces', async () => {
    expect(await flowed('', 'Four pallets ', 'of B-7', ' From hall 2', ' > no quote')).toBe(
      'Four pallets of B-7\nFrom hall 2\n> no quote',
    );
  });

  test('keeps signatures and quotes of flowed text separate', async () => {
    expect(await flowed('', '> quoted ', '> more', 'own ', '-- ', 'Ann')).toBe(
      '> quoted more\nown \n-- \nAnn',
    );
  });
});
