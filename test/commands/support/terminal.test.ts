import { describe, expect, it } from 'vitest';
import { quoted } from '../../../commands/support/terminal.ts';

describe('quoted', () => {
  it('escapes characters that move the cursor, set colours, reverse the text or are invisible', () => {
    expect(quoted('Bestellung Ä 注文.pdf')).toBe('"Bestellung Ä 注文.pdf"');
    expect(quoted('\u001b[2J\r\na.pdf\u0007')).toBe('"\\u{1b}[2J\\u{d}\\u{a}a.pdf\\u{7}"');
    expect(quoted('a\u202efdp.exe')).toBe('"a\\u{202e}fdp.exe"');
    expect(quoted('\u009b31m\u2028\u200b\u00a0')).toBe('"\\u{9b}31m\\u{2028}\\u{200b}\\u{a0}"');
    expect(quoted('say "hi" \\ there')).toBe('"say \\"hi\\" \\\\ there"');
    expect(quoted('x'.repeat(300))).toBe(`"${'x'.repeat(120)}..."`);
  });
});
