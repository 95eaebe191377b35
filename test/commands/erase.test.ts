import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { storeEmail } from '../../shared/db/emails.ts';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { BUCKET, createBucketFixture } from '../helpers/bucket-fixture.ts';
import { runToEnd } from '../helpers/command-process.ts';
import { storeEmails, workerOf } from '../helpers/email-queue.ts';
import { addLiveMessages, leasedMailbox } from '../helpers/leased-mailbox.ts';
import { RAW_EMAIL, storable } from '../helpers/storable-email.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

// Each command is a separate process, which starts slowly on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const KEY = '0123456789abcdef0123456789abcdef';

let db: TestDatabase;
let ids: number[];

/** Two emails from alice@example.com, one of which a consumer has completed; one from Bob to Alice; one from Bob alone. */
beforeEach(async () => {
  db = await createTestDatabase();
  ids = await storeEmails(db, 2);
  ids.push(await storeFrom('Bob <bob@example.com>', 'Alice <ALICE@example.com>'));
  ids.push(await storeFrom('Bob <bob@example.com>', 'orders@example.net'));
  const worker = workerOf(db, 'extraction');
  await worker.claim(4);
  await worker.complete(ids[0] ?? 0, { buyer: 'alice@example.com' });
  await worker.fail(ids[1] ?? 0, 'The order of alice@example.com has no total.');
});
afterEach(async () => await db.close());

let count = 0;

async function storeFrom(from: string, to: string, [old, replacement] = ['', '']): Promise<number> {
  const lease = await leasedMailbox(db);
  const id = `bob-${++count}`;
  const raw = RAW_EMAIL.toString()
    .replace('Alice <alice@example.com>', from)
    .replace('Orders <orders@example.net>', to)
    .replace(old, replacement);
  await addLiveMessages(db, lease, id);
  await storeEmail(db, lease, { ...(await storable(id)), email: await parseEmail(Buffer.from(raw)) });
  const { rows } = await db.query<{ id: number }>(
    'select id from incoming_emails where gmail_message_id = $1',
    [id],
  );
  return rows[0]?.id ?? 0;
}

async function erase(
  args: readonly string[],
  key: string | undefined = KEY,
  env: Readonly<Record<string, string>> = {},
) {
  return await runToEnd('erase', args, { DATABASE_URL: db.url, ERASURE_KEY: key, ...env });
}

async function remaining(): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>('select id from incoming_emails order by id');
  return rows.map((row) => row.id);
}

/** Tables with a row whose text has the word. */
async function tablesWith(word: string): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    "select tablename::text as name from pg_tables where schemaname = 'public' order by 1",
  );
  const found: string[] = [];
  for (const { name } of rows) {
    const { rows: hits } = await db.query(
      `select 1 from ${name} t where strpos(lower(to_jsonb(t)::text), $1::text) > 0 limit 1`,
      [word],
    );
    if (hits.length > 0) found.push(name);
  }
  return found;
}

describe('npm run erase', () => {
  it('says what it would delete and what it does not reach, and changes nothing without --apply', async () => {
    const { code, output } = await erase(['--sender', 'Alice@Example.com'], undefined);
    expect(code).toBe(0);
    expect(output).toContain(
      'Emails from "alice@example.com": 2 emails, 4 attachments, 1 result of consumers,',
    );
    expect(output).toContain(
      '1 other email has this address in recipients, subject or text; --mentions erases',
    );
    expect(output).toContain('Not erased: the emails in Gmail');
    expect(output).toContain('Nothing was changed.');
    expect(await remaining()).toEqual(ids);
    expect((await db.query('select from erasures')).rowCount).toBe(0);
  });

  it.each([['alice@example.com'], ['carol@example.com']])(
    'says with --sender %s which emails it cannot know the sender of, and how to list them',
    async (address) => {
      expect((await erase(['--sender', address])).output).not.toContain('no sender address');
      const unreadable = await storeFrom('Carol', 'orders@example.net');
      const none = await storeFrom('Bob <bob@example.com>', 'orders@example.net');
      await db.query(
        `update incoming_emails set sender = null, sender_address = null, defects = '{not_storable_as_read}' where id = $1`,
        [none],
      );
      const { code, output } = await erase(['--sender', address], undefined);
      expect(code).toBe(0);
      expect(output).toContain('Not searched: the second and further authors of an email');
      expect(output).toContain(
        '2 stored emails have no sender address. Erase those of this person with --email ID.',
      );
      const [, sql = ''] = /npm run sql -- "(.*)"/.exec(output) ?? [];
      const { rows } = await db.query<{ id: number }>(sql);
      expect(rows.map(({ id }) => id)).toEqual([unreadable, none]);
    },
  );

  it('says nothing about unknown senders when it erases by id', async () => {
    await storeFrom('Carol', 'orders@example.net');
    expect((await erase(['--email', String(ids[0])])).output).not.toMatch(/no sender address|Not searched/);
  });

  it('erases the emails of a sender and leaves the others', async () => {
    const { code, output } = await erase(['--sender', 'alice@example.com', '--apply']);
    expect([code, output]).toEqual([
      0,
      expect.stringContaining('Erased 2 emails. Recorded as row 1 of erasures.'),
    ]);
    expect(await remaining()).toEqual(ids.slice(2));
  });

  it.each(['ΟΔΟΣ@example.com', 'İSTANBUL@example.com'])(
    'erases the emails of %s, which JavaScript and PostgreSQL lower differently',
    async (address) => {
      await storeFrom(`Odos <${address}>`, 'orders@example.net');
      const { code, output } = await erase(['--sender', address, '--apply']);
      expect([code, output]).toEqual([0, expect.stringContaining('Erased 1 email.')]);
      expect(await remaining()).toEqual(ids);
    },
  );

  it('leaves the address in no table when it erases mentions too', async () => {
    expect(await tablesWith('alice')).toEqual([
      'email_queue',
      'email_results',
      'email_search',
      'incoming_emails',
    ]);
    await erase(['--sender', 'alice@example.com', '--mentions', '--apply']);
    expect(await tablesWith('alice')).toEqual([]);
    expect(await remaining()).toEqual(ids.slice(3));
  });

  it.each([
    ['the name of a file', 'name=order.pdf', 'name="carol@example.com.pdf"'],
    ['the id that it answers', 'MIME-Version: 1.0', 'In-Reply-To: <1.carol@example.com>'],
    ['its list', 'MIME-Version: 1.0', 'List-Id: <carol@example.com>'],
  ])('leaves the address in no table when an email has it in %s', async (_where, header, replacement) => {
    await storeFrom('Bob <bob@example.com>', 'orders@example.net', [header, replacement]);
    expect(await tablesWith('carol@example.com')).not.toEqual([]);
    await erase(['--sender', 'carol@example.com', '--mentions', '--apply']);
    expect(await tablesWith('carol')).toEqual([]);
    expect(await remaining()).toEqual(ids);
  });

  it.each(['adam@example.com', 'a%de@example.com'])(
    'erases the emails that mention %o, also where it looks like an encoded character of a URL',
    async (address) => {
      await storeFrom('Bob <bob@example.com>', 'orders@example.net', [
        'Subject: ',
        `Subject: 5%${address}. `,
      ]);
      await erase(['--sender', address, '--mentions', '--apply']);
      expect(await remaining()).toEqual(ids);
    },
  );

  it.each([
    'joann@example.com',
    'jo.ann@example.com',
    'ann@example.com2',
    'ann@example.com-example.org',
    'ann@example.com.au',
  ])(
    'leaves the emails that mention %s, which only contains the address, when it erases mentions',
    async (longer) => {
      const other = await storeFrom(`Joann <${longer}>`, 'orders@example.net');
      const others = [other, await storeFrom('Bob <bob@example.com>', `Joann <${longer}>`)];
      const own = await storeFrom('Bob <bob@example.com>', 'Ann <ann@example.com>', [
        'Subject: ',
        'Subject: ご連絡はann@example.comまで ',
      ]);
      await storeFrom('Bob <bob@example.com>', 'Carl <carl@example.com>', [
        'Subject: ',
        'Subject: http://example.org/?to=%3Cann@example.com%3E ',
      ]);
      expect(own).toBeGreaterThan(0);
      const { output } = await erase(['--sender', 'ann@example.com', '--mentions', '--apply']);
      expect(output).toContain('Erased 2 emails.');
      expect(await remaining()).toEqual([...ids, ...others]);
    },
  );

  it('keeps id, hash and time in the ledger, where the message stays stored', async () => {
    const hashes = await db.query<{ sha256: string }>('select sha256 from email_raw where email_id = $1', [
      ids[0],
    ]);
    await erase(['--email', String(ids[0]), '--apply']);
    const { rows } = await db.query(
      `select state, erased_sha256, erased_at is not null as has_time
       from email_ledger
       where erased_at is not null`,
    );
    expect(rows).toEqual([{ state: 'stored', erased_sha256: hashes.rows[0]?.sha256, has_time: true }]);
    expect(await remaining()).toEqual(ids.slice(1));
  });

  it('records counts, the account and a keyed hash, and not the address', async () => {
    await erase(['--sender', 'ALICE@example.com', '--apply']);
    const { rows } = await db.query(
      `select selected_by, selector_hmac, email_count, attachment_count, result_count, byte_count > 0 as has_bytes,
              account = session_user as is_mine, ended_at is not null as has_ended
       from erasures`,
    );
    expect(rows).toEqual([
      {
        selected_by: 'sender',
        selector_hmac: createHmac('sha256', KEY).update('alice@example.com').digest('hex'),
        email_count: 2,
        attachment_count: 4,
        result_count: 1,
        has_bytes: true,
        is_mine: true,
        has_ended: true,
      },
    ]);
  });

  it('erases all emails of a mailbox, in several batches', async () => {
    const many = await storeEmails(db, 60);
    const { rows } = await db.query<{ address: string }>(
      `select m.email_address as address
       from mailboxes m
       join incoming_emails e on e.mailbox_id = m.id
       where e.id = $1`,
      [many[0]],
    );
    const { output } = await erase(['--mailbox', rows[0]?.address ?? '', '--apply']);
    expect(output).toContain('Erased 60 emails.');
    expect(await remaining()).toEqual(ids);
  });

  it('erases the emails of a mailbox whose address another account has now', async () => {
    const { rows } = await db.query<{ address: string }>(
      `update mailboxes
       set email_address = 'formerly ' || email_address || ' (mailbox ' || id || ')'
       where id = (select mailbox_id from incoming_emails where id = $1)
       returning email_address as address`,
      [ids[3]],
    );
    const { output } = await erase(['--mailbox', rows[0]?.address ?? '', '--apply']);
    expect(output).toContain('Erased 1 email.');
    expect(await remaining()).toEqual(ids.slice(0, 3));
  });

  it('leaves the worker of an erased email with an error that says so', async () => {
    await erase(['--sender', 'bob@example.com', '--apply']);
    await expect(workerOf(db, 'extraction').complete(ids[2] ?? 0)).rejects.toThrow(/QE004|does not exist/);
  });

  it('names the schemas of consumers, which it does not reach', async () => {
    await db.query('create schema extraction');
    expect((await erase(['--sender', 'alice@example.com'])).output).toContain('the schemas "extraction".');
  });

  it('says which foreign key of a consumer blocks it, and erases nothing then', async () => {
    await db.query('create schema extraction');
    await db.query(
      'create table extraction.orders (email_id integer constraint order_of_email references incoming_emails)',
    );
    await db.query('insert into extraction.orders values ($1)', [ids[0]]);
    const { code, output } = await erase(['--email', String(ids[0]), '--apply']);
    expect([code, output]).toEqual([1, expect.stringContaining('order_of_email')]);
    expect(await remaining()).toEqual(ids);
  });

  it('says that nothing is stored of an unknown sender, and records nothing', async () => {
    const { code, output } = await erase(['--sender', 'carol@example.com', '--apply']);
    expect([code, output]).toEqual([0, expect.stringContaining('Nothing is stored that this erases.')]);
    expect(output).not.toContain('Not erased');
    expect((await db.query('select from erasures')).rowCount).toBe(0);
  });

  it.each([
    [[], 'Give one of --sender, --email and --mailbox.'],
    [['--sender', 'a@example.com', '--email', '1'], 'Give one of --sender, --email and --mailbox.'],
    [['--sender', 'alice'], '--sender "alice" is invalid: expected an email address.'],
    [
      ['--sender', '<alice@example.com>'],
      '--sender "<alice@example.com>" is invalid: expected an email address.',
    ],
    [['--email', '0'], '--email "0" is invalid: expected a whole number from 1'],
    [['--email', '1', '--mentions'], '--mentions needs --sender.'],
    [
      ['--mailbox', 'typo@example.com', '--apply'],
      '--mailbox names typo@example.com, which the database does not have. It has: ',
    ],
  ])('rejects %j with its reason', async (args, reason) => {
    const { code, output } = await erase(args);
    expect([code, output]).toEqual([1, expect.stringContaining(reason)]);
    expect(await remaining()).toEqual(ids);
  });

  it('needs a key of 32 characters to delete', async () => {
    for (const key of [undefined, 'short']) {
      const { code, output } = await runToEnd('erase', ['--email', String(ids[0]), '--apply'], {
        DATABASE_URL: db.url,
        ERASURE_KEY: key,
      });
      expect([code, output]).toEqual([1, expect.stringContaining('--apply needs ERASURE_KEY')]);
    }
    expect(await remaining()).toEqual(ids);
  });
});

describe('objects in the bucket', () => {
  /** The first attachment and the raw bytes of the email are in the bucket. */
  async function move(id: number, name: string): Promise<void> {
    await db.query(
      `update email_attachments set file_data = null, bucket_object = $2, file_size_bytes = 3145728
       where id = (select min(id) from email_attachments where email_id = $1)`,
      [id, `files/${name}`],
    );
    await db.query(
      'update email_raw set data = null, bucket_object = $2, bucket_bytes = 2097152 where email_id = $1',
      [id, `raw/${name}.gz`],
    );
  }

  it('are counted, and deleted with the last email that refers to them', async () => {
    const { env, names, storage } = await createBucketFixture();
    for (const name of ['files/one', 'raw/one.gz', 'files/other', 'raw/other.gz', 'files/reserved'])
      storage.put(BUCKET, name, { bytes: Buffer.from(name), contentType: 'text/plain' });
    const [first, second, third] = ids as [number, number, number];
    await move(first, 'one');
    await move(second, 'one');
    await move(third, 'other');
    const { code, output } = await erase(['--email', String(first), '--apply'], KEY, env);
    expect(code, output).toBe(0);
    expect(output).toMatch(/1 email, 2 attachments, .* 5 MiB/);
    expect(names()).toHaveLength(5);

    await db.query("insert into bucket_objects (name) values ('files/reserved')");
    await db.query(
      `insert into email_attachments (email_id, part_path, filename, content_type, bucket_object, file_size_bytes, sha256)
       values ($1, '9', 'f', 'text/plain', 'files/reserved', 1, repeat('0', 64))`,
      [second],
    );
    const rest = await erase(['--email', String(second), '--apply'], KEY, env);
    expect(rest.code, rest.output).toBe(0);
    expect(rest.output).toContain('Deleted 2 objects of the bucket.');
    expect(rest.output).toMatch(
      /1 object stays: its upload began less than a day ago, and its store may be in progress\./,
    );
    expect(names()).toEqual(['files/other', 'files/reserved', 'raw/other.gz']);
  });

  it('are left for the collection when the bucket does not answer, and the command fails', async () => {
    const { env, names, storage } = await createBucketFixture();
    for (const name of ['files/one', 'raw/one.gz'])
      storage.put(BUCKET, name, { bytes: Buffer.from(name), contentType: 'text/plain' });
    await move(ids[0] ?? 0, 'one');
    storage.addFault({ kind: 'status', status: 503 });
    const failed = await erase(['--email', String(ids[0]), '--apply'], KEY, env);
    expect(failed.code).not.toBe(0);
    expect(failed.output).toContain('npm run storage -- collect');
    expect(await remaining()).not.toContain(ids[0]);
    storage.clearFaults();
    const collected = await runToEnd('storage', ['collect'], { DATABASE_URL: db.url, ...env });
    expect(collected.output).toContain('Deleted 2 objects');
    expect(names()).toEqual([]);
  });

  it('are deleted by the same command again after it was interrupted', async () => {
    const { env, names, storage } = await createBucketFixture();
    for (const name of ['files/one', 'raw/one.gz'])
      storage.put(BUCKET, name, { bytes: Buffer.from(name), contentType: 'text/plain' });
    await move(ids[0] ?? 0, 'one');
    await db.query('delete from incoming_emails where id = $1', [ids[0]]);
    const shown = await erase(['--email', String(ids[0])], KEY, env);
    expect(shown.output).toContain('Nothing is stored that this erases.');
    expect(names()).toHaveLength(2);
    const { code, output } = await erase(['--email', String(ids[0]), '--apply'], KEY, env);
    expect(code, output).toBe(0);
    expect(output).toContain('Deleted 2 objects of the bucket.');
    expect(names()).toEqual([]);
  });

  it('are mentioned when no bucket is set', async () => {
    await move(ids[0] ?? 0, 'one');
    const { code, output } = await erase(['--email', String(ids[0]), '--apply']);
    expect(code).toBe(1);
    expect(output).toContain('2 objects of erased emails are still in the bucket. Set ATTACHMENTS_BUCKET');
  });
});
