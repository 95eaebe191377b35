/** Which words of an email a search finds: accents, scripts without spaces, ids, and every part of the email. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findEmails } from '../../../console/api/email-search.ts';
import { RandomChoices } from '../../faults/random-choices.ts';
import { createTestDatabase, type TestDatabase } from '../../helpers/test-database.ts';

const NO_FILTERS = {
  from: null,
  mailbox: null,
  processed: null,
  hasAttachments: false,
  hasDefects: false,
};

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await db.query(`insert into mailboxes (email_address, cursor_history_id) values ('a@example.com', 1)`);
});
afterAll(async () => await db.close());

async function store(subject: string): Promise<void> {
  await db.query(
    `with added as (
       insert into incoming_emails
         (mailbox_id, gmail_message_id, subject, received_at, size_bytes, attachment_count, parser_version)
       select 1, gen_random_uuid()::text, $1::text, now(), 1, 0, 1
       returning id, received_at, mailbox_id, subject
     )
     insert into email_search (email_id, received_at, mailbox_id, search_words)
     select id, received_at, mailbox_id, email_search_words(null, null, subject, null, '{}', null, null)
     from added`,
    [subject],
  );
}

/** The subjects of the emails that a search finds. */
async function found(text: string): Promise<string[]> {
  const result = await findEmails(db, { text, filters: NO_FILTERS, before: null, limit: 1_000 });
  const { rows } = await db.query<{ subject: string }>(
    'select subject from incoming_emails where id = any ($1::integer[]) order by id',
    [result.found.map((cursor) => Number(cursor.split('.')[1]))],
  );
  return rows.map(({ subject }) => subject);
}

const SUBJECTS = [
  'Bestellung von Müller, Hauptstraße 7',
  'Zamówienie Łódź',
  'Ordre Øresund, Þór, smørrebrød, œuvre',
  'Muller Strasse Lodz Oresund',
  'İstanbul ışık siparişi',
  'Заказ: жёлтый Йод',
  'Ａｃｍｅ １２３４ ﬁnal',
  '株式会社山田への注文書送付',
  'PO4711注文書（至急）「山田様」',
  'パソコン ﾌﾟﾘﾝﾀ ガラス',
  '采购订单：办公椅',
  '구매주문서를 보냅니다',
  'ใบสั่งซื้อสินค้า',
  'order-4711.pdf „Eilig“—sofort',
];

/** Letters of scripts with spaces, by script. */
const SPACED = [
  'abcdefghijklmnopqrstuvwxyz0123456789',
  'äöüßéèêçñåæøœþðłńśźżčěřšůıİşğ',
  'абвгдежзийклмнопрстуфхцчшщъыьэюяёїґ',
  'αβγδεζηθικλμνξοπρστυφχψωάέήίόύώς',
  'אבגדהוזחטיכלמנסעפצקרשת',
  'ابتثجحخدذرزسشصضطظعغفقكلمنهوي',
  'ＡＢＣ１２３',
];
/** Letters of scripts without spaces, by script. */
const UNSPACED = [
  '注文書送付株式会社山田様納品請求見積依頼々〆',
  '采购订单办公椅数量价格发票地址',
  'あいうえおがぎぐげごばびぶべぼゃゅょっん',
  'アイウエオガギグゲゴパピプペポャュョッンー',
  'ｱｲｳｴｵｶｷｸｹｺﾊﾋﾌﾍﾎﾔﾕﾖ',
  '가나다라마주문서를구매견적납품확인',
  'กขคงจฉชซญดตถทธนบปผฝพฟภมยรลวสหอะาเแโใไ',
];

describe('email_words', () => {
  beforeAll(async () => {
    for (const subject of SUBJECTS) await store(subject);
  });

  it.each([
    ['muller', [0, 3]],
    ['Müller', [0, 3]],
    ['MU\u0308LLER', [0, 3]],
    ['hauptstrasse', [0]],
    ['HAUPTSTRASSE', [0]],
    ['Hauptstraße', [0]],
    ['Straße', [3]],
    ['lodz', [1, 3]],
    ['Łódź', [1, 3]],
    ['oresund', [2, 3]],
    ['Øresund', [2, 3]],
    ['thor smorrebrod oeuvre', [2]],
    ['istanbul isik siparisi', [4]],
    ['Istanbul IŞIK', [4]],
    ['желтый йод', [5]],
    ['acme 1234 final', [6]],
    ['注文書', [7, 8]],
    ['注文', [7, 8]],
    ['文', [7, 8]],
    ['書', [7, 8]],
    ['付', [7]],
    ['書送付', [7]],
    ['山田', [7, 8]],
    ['株式会社山田への注文書送付', [7]],
    ['文注', []],
    ['po4711', [8]],
    ['注文書 4711', []],
    ['PO4711注文書', [8]],
    ['至急', [8]],
    ['プリンタ', [9]],
    ['ガラス', [9]],
    ['ｶﾞﾗｽ', [9]],
    ['カラス', []],
    ['ソコ', [9]],
    ['订单', [10]],
    ['购订', [10]],
    ['주문', [11]],
    ['문서', [11]],
    ['보냅', [11]],
    ['สั่งซื้อ', [12]],
    ['สินค้า', [12]],
    ['ซื้อ', [12]],
    ['order-4711.pdf', [13]],
    ['4711 pdf', [13]],
    ['eilig sofort', [13]],
    ['rder', []],
  ])('a search for %s finds exactly the emails %j', async (text, expected) => {
    expect(await found(text)).toEqual(expected.map((n) => SUBJECTS[n]));
  });

  it('every text is found by each of its own words and by each part of a word without spaces', async () => {
    const choices = new RandomChoices(4711);
    const word = (scripts: readonly string[]) => {
      const alphabet = scripts[choices.int(0, scripts.length - 1)] ?? '';
      const letter = () => alphabet[choices.int(0, alphabet.length - 1)] ?? '';
      return Array.from({ length: choices.int(1, 12) }, letter).join('');
    };
    const missed: unknown[] = [];
    for (let round = 0; round < 300; round += 1) {
      const parts = Array.from({ length: choices.int(1, 8) }, () => ({
        spaced: choices.chance(0.6) ? word(SPACED) : '',
        unspaced: choices.chance(0.6) ? word(UNSPACED) : '',
      }));
      const words = parts.map(({ spaced, unspaced }) => spaced + unspaced).filter((one) => one !== '');
      const queries = [
        ...words.flatMap((one) => [one, one.toUpperCase(), one.normalize('NFD'), one.normalize('NFC')]),
        ...parts.flatMap(({ unspaced }) => {
          const at = choices.int(0, unspaced.length);
          return unspaced.slice(at, at + choices.int(1, 4));
        }),
      ];
      const { rows } = await db.query(
        `select $1::text as text, query
         from unnest($2::text[]) query
         cross join lateral (
           select string_agg('''' || one || ''':*', ' & ')::tsquery as pattern
           from unnest(tsvector_to_array(email_words(query))) one
         ) parsed
         where query <> ''
           and email_words($1::text) @@ pattern is not true`,
        [words.join(' '), queries],
      );
      missed.push(...rows);
    }
    expect(missed).toEqual([]);
  });

  it.each([
    [
      'a long text of distinct Chinese characters',
      (n: number) => String.fromCodePoint(0x4e00 + ((n * 7919) % 20_000)),
    ],
    [
      'a long text of rare characters of four bytes',
      (n: number) => String.fromCodePoint(0x20000 + ((n * 7919) % 40_000)),
    ],
    ['a text that a normalization lengthens', (n: number) => `${n}\ufdfa`],
    ['accents only', () => '\u0301'],
  ])('the words of %s can be stored', async (_, letter) => {
    const text = Array.from({ length: 64_000 }, (__, n) => letter(n)).join('');
    const { rows } = await db.query<{ bytes: number }>(
      'select pg_column_size(email_search_words($1, $1, $1, $1, to_jsonb(array[$1]), $1, $1)) as bytes',
      [text],
    );
    expect(rows[0]?.bytes).toBeLessThan(1_048_575);
  });

  it('ASCII text has the same words as before, whatever the path through the function', async () => {
    const text = "Order #4711: 10 x A-22/b @ 9.90 EUR, it's urgent_now (see order-4711.pdf) 1e5 -7";
    const { rows } = await db.query<{ words: string[]; with_accent: string[] }>(
      `select tsvector_to_array(email_words($1::text)) as words,
              tsvector_to_array(ts_delete(email_words($1::text || ' Ü'), 'u')) as with_accent`,
      [text],
    );
    const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
    expect(new Set(rows[0]?.words)).toEqual(new Set(words));
    expect(rows[0]?.with_accent).toEqual(rows[0]?.words);
  });
});
