import { describe, expect, test } from 'vitest';
import { parseEmail } from '../../../shared/mime/parse-email.ts';
import { mail } from '../mail-builder.ts';

const read = (...lines: (string | Buffer)[]) => parseEmail(mail(...lines, '', 'Body'));
const fromOf = async (value: string | Buffer) => {
  const header = typeof value === 'string' ? `From: ${value}` : Buffer.concat([Buffer.from('From: '), value]);
  return (await parseEmail(mail(header, '', 'Body'))).from;
};
const toOf = async (value: string) => (await parseEmail(mail(`To: ${value}`, '', 'Body'))).to;
const P = 'po@example.com';

describe('sender', () => {
  test.each([
    ['Beispiel, Petra <petra.beispiel@example.com>', 'Beispiel, Petra', 'petra.beispiel@example.com'],
    ['Nowak, Jan, Zakupy <po@example.com>', 'Nowak, Jan, Zakupy', P],
    ['Beispiel AG; Zentrale <po@example.com>', 'Beispiel AG; Zentrale', P],
    ['Order: urgent <po@example.com>', 'Order: urgent', P],
    ['Rohr 3" Lager <po@example.com>', 'Rohr 3" Lager', P],
    ['"Rohr 3" Lager" <po@example.com>', 'Rohr 3" Lager', P],
    ['"Buyer, Ann <po@example.com>', '"Buyer, Ann', P],
    ['Ann "Annie" Buyer <po@example.com>', 'Ann Annie Buyer', P],
    ['"Ann \\"A\\" Buyer" <po@example.com>', 'Ann "A" Buyer', P],
    ['Trading (Shanghai) Co., Ltd. <po@example.com>', 'Trading (Shanghai) Co., Ltd.', P],
    ['Buyer (sales <po@example.com>', 'Buyer (sales', P],
    ['Buyer :) <po@example.com>', 'Buyer :)', P],
    ['=?utf-8?Q?M=C3=BCller_Trading_(Shanghai)_Co.?= <po@example.com>', 'Müller Trading (Shanghai) Co.', P],
    ['=?utf-8?Q?Beispiel=2C_Petra?= <po@example.com>', 'Beispiel, Petra', P],
    ['=?utf-8?Q?Beispiel,_Petra?= <po@example.com>', 'Beispiel, Petra', P],
    ['=?utf-8?B?6LO86A==?= =?utf-8?B?srfpg6g=?= <po@example.com>', '購買部', P],
    ['=?utf-8?Q?ask@home_<Ltd>?= <po@example.com>', 'ask@home <Ltd>', P],
    ['=?utf-8?Q?Ann_<po@example.com>?=', 'Ann', P],
    ['Sales @ Example, Inc. <po@example.com>', 'Sales @ Example, Inc.', P],
    ['"sales@other.example" <po@example.com>', 'sales@other.example', P],
    ['Ann Buyer po@example.com', 'Ann Buyer', P],
    ['Ann Buyer [po@example.com]', 'Ann Buyer', P],
    ['Ann <po@example.com', 'Ann', P],
    ['Ann po@example.com>', 'Ann', P],
    ['Ann <<po@example.com>>', 'Ann', P],
    ['Ann < po@example.com >', 'Ann', P],
    ['Ann <mailto:po@example.com>', 'Ann', P],
    ["Ann <'po@example.com'>", 'Ann', P],
    ['po@example.com (Ann Buyer)', 'Ann Buyer', P],
    ['<po@example.com> Ann Buyer', 'Ann Buyer', P],
    ['po@example.com (Ann (Purchasing) Buyer)', 'Ann (Purchasing) Buyer', P],
    ['\\"Ann Buyer\\" <po@example.com>', 'Ann Buyer', P],
    ['Ann Buyer&lt;po@example.com&gt;', 'Ann Buyer', P],
    ['po @ example . com', null, P],
    ['Dr. po@example.com', 'Dr.', P],
    ['po@example.com (A &lt; B)', 'A &lt; B', P],
    ['Example Inc. po@example.com', 'Example Inc.', P],
    ['*** po@example.com', '***', P],
    ['Ann <Sales> <po@example.com>', 'Ann <Sales>', P],
    ['Team: Ann <po@example.com>;', 'Ann', P],
    ['po@example.com', null, P],
    ['<po@example.com>', null, P],
    ['"two words"@example.com', null, '"two words"@example.com'],
    ['root@server1', null, 'root@server1'],
    ['Ann <po@[192.0.2.1]>', 'Ann', 'po@[192.0.2.1]'],
  ])('parses the sender %s as the name %s and the address %s', async (header, name, address) => {
    expect(await fromOf(header)).toEqual({ name, address });
  });

  test.each(['Ann Buyer', '2 pcs@4.50', 'Ann <12@5>', 'Ann <ann at example.com>', 'Ann <@>', 'a@b@c'])(
    'keeps the whole sender %s as the name when it contains no address',
    async (header) => {
      expect(await fromOf(header)).toEqual({ name: header, address: null });
    },
  );

  test('decodes a raw byte in the charset of the encoded word of a sender name', async () => {
    const header = Buffer.from('=?iso-8859-1?Q?B=FCro_K\xf6ln?= <po@example.com>', 'latin1');
    expect(await fromOf(header)).toEqual({ name: 'Büro Köln', address: P });
  });

  test.each([
    [['Sender: Purchasing <po@example.com>', 'Reply-To: other@example.com'], 'Purchasing', P],
    [['Reply-To: Desk <po@example.com>'], 'Desk', P],
    [['From: Ann Buyer', 'Reply-To: Desk <po@example.com>'], 'Ann Buyer', P],
    [['From: ', 'Sender: po@example.com'], null, P],
  ])(
    'takes the sender address from Sender or Reply-To when the headers are %j',
    async (headers, name, address) => {
      const email = await parseEmail(mail(...headers, '', 'Body'));
      expect(email.from).toEqual({ name, address });
    },
  );
});

describe('recipients', () => {
  test('finds recipients with commas in their names and bare addresses between them', async () => {
    expect(
      await toOf(
        'Beispiel, Petra <a@example.com>, b@example.com, "C, D" <c@example.com>; d@example.com (Dee)',
      ),
    ).toEqual([
      { name: 'Beispiel, Petra', address: 'a@example.com' },
      { name: null, address: 'b@example.com' },
      { name: 'C, D', address: 'c@example.com' },
      { name: 'Dee', address: 'd@example.com' },
    ]);
  });

  test('finds recipients that only spaces separate', async () => {
    expect(await toOf('a@example.com b@example.com')).toEqual([
      { name: null, address: 'a@example.com' },
      { name: null, address: 'b@example.com' },
    ]);
  });

  test('finds recipients inside and outside a group, and none in an empty group', async () => {
    expect(await toOf('team: a@example.com, B <b@example.com>;, c@example.com')).toMatchObject([
      { address: 'a@example.com' },
      { address: 'b@example.com' },
      { address: 'c@example.com' },
    ]);
    for (const empty of [
      'Undisclosed recipients:;',
      'undisclosed-recipients',
      '<undisclosed-recipients:;>',
      '"Undisclosed-Recipients:;"',
      'unlisted-recipients:; (no To-header on input)',
    ])
      expect(await toOf(empty)).toEqual([]);
    expect(await toOf('"a@example.com; b@example.com"')).toEqual([
      { name: null, address: 'a@example.com' },
      { name: null, address: 'b@example.com' },
    ]);
  });

  test('keeps a recipient without an address next to one with an address', async () => {
    expect(await toOf('Bob, a@example.com')).toEqual([
      { name: 'Bob', address: null },
      { name: null, address: 'a@example.com' },
    ]);
  });
});

describe('addresses', () => {
  test('keeps names and local parts of addresses as written, and domains in lower case', async () => {
    const email = await read(
      'From: "Buyer, Ann" <Ann.B@Example.COM>',
      'To: =?utf-8?Q?J=C3=B6rg?= <j@example.com>, plain@example.com',
      'Cc: team: a@example.com, "B" <b@example.com>;, c@example.com',
      'Bcc: undisclosed-recipients:;',
      'Reply-To: orders@example.com',
    );
    expect(email.from).toEqual({ name: 'Buyer, Ann', address: 'Ann.B@example.com' });
    expect(email.to).toEqual([
      { name: 'Jörg', address: 'j@example.com' },
      { name: null, address: 'plain@example.com' },
    ]);
    expect(email.cc.map(({ address }) => address)).toEqual([
      'a@example.com',
      'b@example.com',
      'c@example.com',
    ]);
    expect(email.bcc).toEqual([]);
    expect(email.replyTo).toEqual([{ name: null, address: 'orders@example.com' }]);
  });

  test('collects addresses from repeated headers', async () => {
    const email = await read('To: a@example.com', 'To: b@example.com');
    expect(email.to.map(({ address }) => address)).toEqual(['a@example.com', 'b@example.com']);
  });

  test('keeps an unreadable address as a name', async () => {
    const email = await read('From: Ann Buyer', 'To: <>', 'Cc: Bob <bob>');
    expect(email.from).toEqual({ name: 'Ann Buyer', address: null });
    expect(email.to).toEqual([{ name: '<>', address: null }]);
    expect(email.cc).toEqual([{ name: 'Bob <bob>', address: null }]);
    expect(email.defects).toContain('address_unreadable');
  });

  test('keeps addresses that are written like a group without members', async () => {
    const email = await read('From: Ann <ann@example.com>:');
    expect(email.from).toEqual({ name: 'Ann', address: 'ann@example.com' });
  });
});
