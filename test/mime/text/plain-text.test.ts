import { describe, expect, test } from 'vitest';
import { base64Lines, multipart, parse, part } from '../mail-builder.ts';
import {
  attachment,
  attribute,
  binary,
  ID,
  object,
  properties,
  tnef,
  unicode,
} from '../tnef/tnef-builder.ts';

const PDF = Buffer.from('%PDF-1.7 seven crates');
const COVER = part(['Content-Type: text/plain'], 'See below.');

describe('plain text', () => {
  test('converts HTML to plain text, with separate cells and without invisible content', async () => {
    const page =
      '<html><head><title>t</title><style>p{}</style></head><body><h1>Order</h1><table><tr><td>A-100</td><td>40</td></tr>' +
      '<tr><td>B-200</td><td>5&nbsp;pcs</td></tr></table><p>To <a href="https://example.com/x">gate&nbsp;2</a></p></body></html>';
    const email = await parse('Content-Type: text/html; charset=utf-8', '', page);
    expect(email.bodyText).toBeNull();
    expect(email.plainText?.replace(/\n+/g, '\n')).toBe('Order\nA-100\t40\nB-200\t5 pcs\nTo gate 2');
  });

  test('puts every kind of block on its own line', async () => {
    const page =
      '<dl><dt>Item</dt><dd>B-200</dd></dl><center>PO</center><center>4711</center><fieldset><legend>Gate</legend>2</fieldset>' +
      '<table><caption>Parts</caption><tr><td>A-1</td></tr></table><address>Hall 3</address>Ann<hr>Bob<li>Cid<li>Dan';
    const email = await parse('Content-Type: text/html', '', page);
    expect(email.plainText).toBe(
      'Item\nB-200\nPO\n4711\nGate\n2\nParts\nA-1\n\nHall 3\nAnn\n\nBob\nCid\nDan',
    );
  });

  test('keeps the rows of a table whose cells are centered', async () => {
    const row = (item: string, count: string) =>
      `<tr><td><center>${item}</center></td><td><center><b>${count}</b></center>\n</td></tr>`;
    const email = await parse(
      'Content-Type: text/html',
      '',
      `<table>${row('A-100', '40')}${row('B-200', '5')}</table>`,
    );
    expect(email.plainText).toBe('A-100\t40\nB-200\t5');
  });

  test.each([
    ['paragraphs of Outlook', (text: string) => `<p class=MsoNormal><span>${text}<o:p></o:p></span></p>`],
    ['blocks', (text: string) => `<div>\n<div>${text}</div>\n</div>`],
    ['a line break at the end', (text: string) => `${text}<br>`],
  ])('keeps each row of a table on its line when the cells contain %s', async (_, content) => {
    const row = (...cells: string[]) =>
      `<tr>\n${cells.map((cell) => `<td>${content(cell)}</td>`).join('\n')}\n</tr>`;
    const rows = (count: number) =>
      Array.from({ length: count }, (__, index) => row(`${index + 10}`, 'A-100', '', '40 pcs')).join('\n');
    const plainOf = async (count: number) => {
      const page = `Our order:<table><tbody>${rows(count)}</tbody></table>Regards`;
      return (await parse('Content-Type: text/html', '', page)).plainText?.replace(/\n+/g, '\n');
    };
    expect(await plainOf(2)).toBe('Our order:\n10\tA-100\t\t40 pcs\n11\tA-100\t\t40 pcs\nRegards');
    // More tags than the library converts.
    expect(await plainOf(900)).toContain('Our order:\n10\tA-100\t40 pcs\n11\tA-100\t40 pcs\n12\t');
  });

  test('has no column for what a row has next to its cells', async () => {
    const row =
      '<tr><input type="hidden"><td>A-100</td><!-- [if mso] --><td></td><script>x</script>\n<td>40</td></tr>';
    const email = await parse('Content-Type: text/html', '', `<table>${row}</table>`);
    expect(email.plainText).toBe('A-100\t\t40');
  });

  test('keeps the lines of a layout table', async () => {
    const inner =
      '<table><tr><td><p>A-100</p></td><td><p>40</p></td></tr><tr><td>B-200</td><td>5</td></tr></table>';
    const page = `<table><tr><td>&nbsp;</td><td><p>Hello,</p><p>our order:</p>${inner}</td><td>&nbsp;</td></tr></table>`;
    const email = await parse('Content-Type: text/html', '', page);
    expect(email.plainText).toBe('Hello,\n\nour order:\n\nA-100\t40\nB-200\t5');
  });

  test.each([
    ['paragraphs', (...lines: string[]) => lines.map((line) => `<p>${line}</p>`).join('')],
    ['line breaks', (...lines: string[]) => lines.join('<br>')],
    [
      'nested tables',
      (...lines: string[]) => `<table>${lines.map((line) => `<tr><td>${line}</td></tr>`).join('')}</table>`,
    ],
  ])('keeps addresses that are next to each other apart when they consist of %s', async (_, block) => {
    const ours = block('Ship to', 'Main Street 1', '12345 Town');
    const theirs = block('Bill to', 'Side Street 2', '54321 City');
    const space = '<td width="20">&nbsp;</td>';
    const page = `<table><tr><td>${ours}</td>${space}<td>${theirs}</td></tr></table>`;
    const email = await parse('Content-Type: text/html', '', page);
    expect(email.plainText).toBe('Ship to\nMain Street 1\n12345 Town\nBill to\nSide Street 2\n54321 City');
  });

  test.each([0, 3_001])(
    'joins words in HTML that invisible characters divide, with %d more tags',
    async (tags) => {
      const page = `PO&shy;4711 A-&#8203;10\u200b0 B\u00ad&#xfeff;7 C&#8288;8 D&#847;9${'<b>'.repeat(tags)}`;
      const email = await parse('Content-Type: text/html; charset=utf-8', '', page);
      expect(email.plainText).toBe('PO4711 A-100 B7 C8 D9');
    },
  );

  test('separates the cells of a table without closing tags', async () => {
    const page = '<table><tr><td>A-100<th>40<tr><th>B-200<td>5</table>';
    const email = await parse('Content-Type: text/html', '', page);
    expect(email.plainText).toBe('A-100\t40\nB-200\t5');
  });

  test.each([0, 3_001])('decodes every character reference in HTML, with %d more tags', async (tags) => {
    const page = `&scaron;roub &rarr; &#150; &#x80;5 &numero;7 &frac12;&nbsp6 &amp4 R&D &x; &nGt;${'<b>'.repeat(tags)}`;
    const email = await parse('Content-Type: text/html', '', page);
    expect(email.plainText).toBe('šroub → – €5 №7 ½ 6 &4 R&D &x; ≫⃒');
  });

  test('keeps the lines of HTML whose style preserves them', async () => {
    const lines = 'A-100  40\n<b>B-200</b>  5\n\nThanks';
    for (const style of ['white-space: pre-wrap', 'color:red;white-space:pre-line', 'WHITE-SPACE:PRE']) {
      for (const name of ['div', 'p']) {
        const page = `Order:<${name} style="${style}">${lines}</${name}>Ann`;
        const email = await parse('Content-Type: text/html', '', page);
        expect(email.plainText?.replaceAll('  ', ' ')).toBe('Order:\nA-100 40\nB-200 5\n\nThanks\nAnn');
      }
    }
  });

  test('reads HTML whose head is not closed', async () => {
    const page = '<html><head><title>t</title><style>p{}</style><p>Forty pieces of A-100</p></html>';
    const email = await parse('Content-Type: text/html', '', page);
    expect(email.plainText).toBe('Forty pieces of A-100');
  });

  test('takes the plain text from the HTML when the text alternative is only a stub', async () => {
    const stub = part(['Content-Type: text/plain'], 'Your mail program cannot show this message.');
    const page = part(['Content-Type: text/html'], '<p>Forty pieces of A-100 to gate 2, by Friday.</p>');
    const email = await parse(...multipart('alternative', 'a', stub, page));
    expect(email.plainText).toContain('Forty pieces of A-100 to gate 2, by Friday.');
    expect(email.bodyText).toBe('Your mail program cannot show this message.');
  });

  test('adds the numbers that only one form of the message has', async () => {
    const terms = Array.from(
      { length: 200 },
      (_, index) => `term${String.fromCharCode(97 + (index % 26), 97 + index / 26)}`,
    );
    const text = part(['Content-Type: text/plain'], `Order 4711\n\n${terms.join(' ')}`);
    const table = '<table><tr><td>A-100</td><td>40</td></tr></table>';
    const page = part(['Content-Type: text/html'], `<p>Order</p>${table}<p>${terms.join(' ')}</p>`);
    const email = await parse(...multipart('alternative', 'a', text, page));
    expect(email.plainText).toContain('Order 4711');
    expect(email.plainText).toContain('A-100\t40');
  });

  test('has the lines of an order once when each form has numbers of its own', async () => {
    const items = Array.from({ length: 9 }, (_, n) => `Item chair${n} 40${n}`);
    const rows = items.map((item) => `<tr><td>${item.split(' ').join('</td><td>')}</td></tr>`);
    const lines = ['Dear team', ...items, 'Terms', '[1] see page 77'].join('\n');
    const text = part(['Content-Type: text/plain'], lines);
    const html = `<p>Dear team</p><table>${rows.join('')}</table><p>Terms</p><p>© 2026</p>`;
    const page = part(['Content-Type: text/html; charset=utf-8'], html);
    const { plainText } = await parse(...multipart('alternative', 'a', text, page));
    const table = items.map((item) => item.replaceAll(' ', '\t')).join('\n');
    expect(plainText).toBe(`Dear team\n\n${table}\n\nTerms\n\n© 2026\n\n[1] see page 77`);
  });

  test('has the text once when the forms differ in the spaces between numbers and units', async () => {
    const rest =
      'of the blue paint as in our last order, to the address that you know from that order. Regards, Ann Smith';
    const text = part(['Content-Type: text/plain'], `Please send 2x 10kg ${rest}`);
    const page = part(['Content-Type: text/html'], `<p>Please send 2 x 10 kg ${rest}</p>`);
    const email = await parse(...multipart('alternative', 'a', text, page));
    expect(email.plainText?.match(/Please/g)).toHaveLength(1);
  });

  test.each([
    [
      'has each cell on its own line',
      'Order 4711\n\nItem\nPieces\nA-100\n40\n',
      'Order 4711\n\nItem\tPieces\nA-100\t40',
    ],
    [
      'has the rows',
      'Order 4711\n\n| Item  | Pieces |\n| A-100 | 40 |',
      'Order 4711\n\n| Item  | Pieces |\n| A-100 | 40 |',
    ],
    [
      'says more',
      'Order 4711 by 6 May\n\nItem\nPieces\nA-100\n40',
      'Order 4711 by 6 May\n\nItem\nPieces\nA-100\n40',
    ],
  ])('reads a table when the text alternative %s', async (_, text, plain) => {
    const table = '<table><tr><td>Item</td><td>Pieces</td></tr><tr><td>A-100</td><td>40</td></tr></table>';
    const page = part(['Content-Type: text/html'], `<p>Order 4711</p>${table}`);
    const email = await parse(
      ...multipart('alternative', 'a', part(['Content-Type: text/plain'], text), page),
    );
    expect(email.plainText).toBe(plain);
    expect(email.bodyText?.trim()).toBe(text.trim());
  });

  test('strips the tags of very large HTML and records a defect', async () => {
    const rows = Array.from({ length: 9_000 }, (_, n) => `<tr><td>A-${n}</td><td>${n} &euro;</td></tr>`).join(
      '\n',
    );
    const email = await parse(
      'Content-Type: text/html; charset=utf-8',
      '',
      `<style>x</style><table>${rows}</table>`,
    );
    expect(email.defects).toEqual(['html_simplified']);
    expect(email.plainText).toContain('A-7\t7 €\nA-8\t8 €\n');
  });

  test('keeps the words of deeply nested HTML', async () => {
    const email = await parse('Content-Type: text/html', '', `${'<div><b>'.repeat(2_000)}Forty pieces`);
    expect(email.plainText).toBe('Forty pieces');
  });

  test('includes the body of a winmail.dat in the plain text, from text, HTML or RTF', async () => {
    const rtf =
      "{\\rtf1\\ansi\\ansicpg1252\\fromhtml1{\\fonttbl{\\f0 Arial;}}{\\*\\htmltag64 <p>}Nine drums of solvent f\\'fcr K\\u246?ln\\par to gate\\tab 2{\\pict 00ff}}";
    const header = Buffer.alloc(16);
    header.writeUInt32LE(rtf.length + 12, 0);
    header.writeUInt32LE(rtf.length, 4);
    header.writeUInt32LE(0x414c454d, 8);
    const compressed = Buffer.concat([header, Buffer.from(rtf, 'latin1')]);
    const winmail = (list: Buffer) =>
      part(
        ['Content-Type: application/ms-tnef; name=winmail.dat', 'Content-Transfer-Encoding: base64'],
        base64Lines(tnef(attribute(1, ID.messageProperties, list), attachment('A.PDF', PDF))),
      );
    const byRtf = await parse(...multipart('mixed', 'b', winmail(properties(binary(0x1009, compressed)))));
    expect(byRtf).toMatchObject({
      plainText: 'Nine drums of solvent für Köln\nto gate\t2',
      bodyText: null,
      defects: [],
    });
    expect(byRtf.attachments.map(({ filename, parentPath }) => [filename, parentPath])).toEqual([
      ['winmail.dat', null],
      ['A.PDF', '1'],
      ['message-body.rtf', '1'],
    ]);
    const byHtml = await parse(...winmail(properties(binary(0x1013, Buffer.from('<p>Nine drums</p>')))));
    expect(byHtml.plainText).toBe('Nine drums');
    const byText = await parse(
      ...multipart('mixed', 'b', COVER, winmail(properties(unicode(0x1000, 'Nine drums')))),
    );
    expect(byText.plainText).toBe('See below.\n\nNine drums');
    const besideText = await parse(
      ...multipart(
        'mixed',
        'b',
        COVER,
        winmail(properties(binary(0x1013, Buffer.from('<p>Nine drums</p>')))),
      ),
    );
    expect(besideText.plainText).toBe('See below.\n\nNine drums');
    expect(besideText.bodyHtml).toBeNull();
  });

  test('includes the text of a message within a winmail.dat in the plain text', async () => {
    const inner = (list: Buffer) =>
      attachment('m', null, object(0x3701, tnef(attribute(1, ID.messageProperties, list))));
    const file = tnef(
      inner(properties(unicode(0x1000, 'Nine drums'))),
      inner(properties(binary(0x1013, Buffer.from('<p>To gate 2</p>')))),
    );
    const headers = ['Content-Type: application/ms-tnef', 'Content-Transfer-Encoding: base64'];
    const email = await parse(...multipart('mixed', 'b', COVER, part(headers, base64Lines(file))));
    expect(email.plainText).toBe('See below.\n\nNine drums\n\nTo gate 2');
  });
});
