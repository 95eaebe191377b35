import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ReprocessFlags, selectEmails } from '../../commands/reprocess/select-emails.ts';
import { PARSER_VERSION } from '../../shared/mime/parsed-email.ts';
import { ALL_EMAILS, countSelected } from '../../shared/reprocess/raw-emails.ts';
import { reprocess } from '../../shared/reprocess/reprocess-emails.ts';
import { runToEnd, startCommand } from '../helpers/command-process.ts';
import { mail, order } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';

// Each command is a separate process, which starts slowly on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const REPLACE = { applies: true, resetsProcessed: false } as const;
let system: TestSystem;
let before: Awaited<ReturnType<typeof snapshot>>;

beforeAll(async () => {
  system = await createTestSystem();
  for (const n of [1, 2, 3]) system.gmail.deliver(order(n));
  await system.ingest();
  before = await snapshot();
});
afterAll(async () => await system.close());
/** Restores every email to what the current parser reads. */
beforeEach(async () => {
  for await (const _ of reprocess({ db: system.db, largeBytes: null }, ALL_EMAILS, REPLACE));
});

async function snapshot() {
  return await system.rows<Record<string, unknown>>(
    `select e.*, (select jsonb_agg(to_jsonb(a) order by a.id) from email_attachments a where a.email_id = e.id) as files
     from incoming_emails e
     where id <= 3
     order by id`,
  );
}

async function run(...args: string[]) {
  return await runToEnd('reprocess', args, { DATABASE_URL: system.db.url });
}

async function ids(sql: string): Promise<number[]> {
  return (await system.rows<{ id: number }>(sql)).map((row) => row.id);
}

describe('npm run reprocess', () => {
  it('rebuilds emails that an older parser has read, without Gmail, and leaves the others unchanged', async () => {
    await system.db.query(
      "update incoming_emails set parser_version = 0, subject = 'wrong', body_text = null, processed = true where id = 2",
    );
    await system.db.query('update incoming_emails set parser_version = 0 where id = 3');
    const { code, output } = await run('--apply');
    expect([code, output]).toEqual([0, expect.stringContaining('2 emails rebuilt, 1 of them differ')]);
    const after = await snapshot();
    expect(after[1]).toMatchObject({ ...before[1], processed: true, updated_at: expect.any(Date) });
    expect(after[1]?.['updated_at']).not.toEqual(before[1]?.['updated_at']);
    expect(after[2]).toEqual(before[2]);
    expect((await run('--apply')).output).toContain('0 emails to parse again');
  });

  it('keeps the row of an attachment whose part, name and bytes are unchanged, and replaces the others', async () => {
    await system.db.query(`update email_attachments set content_type = 'text/wrong' where email_id = 1;`);
    await system.db.query("update email_attachments set filename = 'wrong.pdf' where email_id = 2");
    await system.db.query(
      `insert into email_attachments (email_id, part_path, filename, content_type, file_data, file_size_bytes, sha256)
       select email_id, '9', filename, content_type, file_data, file_size_bytes, sha256
       from email_attachments
       where email_id = 3`,
    );
    const kept = await ids('select id from email_attachments where email_id = 1');
    const lost = await ids('select id from email_attachments where email_id = 2');
    expect((await run('--all', '--apply')).output).toContain('3 emails rebuilt, 3 of them differ');
    expect(await ids('select id from email_attachments where email_id = 1')).toEqual(kept);
    expect(await ids('select id from email_attachments where email_id = 2')).not.toEqual(lost);
    const files = await system.rows(
      `select e.subject, a.filename, a.content_type
       from email_attachments a
       join incoming_emails e on e.id = a.email_id
       order by 1`,
    );
    expect(files).toEqual(
      [1, 2, 3].map((n) => ({
        subject: `Order ${n}`,
        filename: `order-${n}.pdf`,
        content_type: 'application/pdf',
      })),
    );
    expect((await run('--all', '--apply')).output).toContain('3 emails rebuilt, 0 of them differ');
  });

  it('rebuilds one email by id, and reports an id that does not exist', async () => {
    await system.db.query("update incoming_emails set subject = 'wrong'");
    expect((await run('--id', '2', '--apply')).output).toContain('1 email rebuilt, 1 of them differ');
    expect(await ids("select id from incoming_emails where subject = 'wrong' order by id")).toEqual([1, 3]);
    expect(await run('--id', '4711')).toMatchObject({
      code: 1,
      output: expect.stringContaining('no email 4711'),
    });
    expect(await run('--id', '2', '--id', '4711', '--id', '4712')).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^1 email to parse again.*\n2 of the ids have no email, or/s),
    });
    // The first one was done before a Ctrl-C.
    expect((await run('--id', '1', '--id', '2', '--after', '1')).code).toBe(0);
    expect(await run('--id', 'x')).toMatchObject({
      code: 1,
      output: expect.stringContaining('--id "x" is invalid'),
    });
  });

  it('reports raw bytes that are damaged, leaves those emails unchanged, and rebuilds the others', async () => {
    const raw = await system.rows('select email_id, data, sha256 from email_raw order by email_id');
    await system.db.query("update email_raw set sha256 = repeat('0', 64) where email_id = 1");
    await system.db.query("update email_raw set data = decode('1f8b', 'hex') where email_id = 2");
    await system.db.query("update incoming_emails set subject = 'wrong'");
    const { code, output } = await run('--all', '--apply');
    expect(code).toBe(1);
    expect(output).toContain('1 email rebuilt');
    expect(output).toContain('email 1: its raw bytes do not match their SHA-256');
    expect(output).toContain('email 2: its raw bytes cannot be decompressed');
    expect(await ids("select id from incoming_emails where subject = 'wrong' order by id")).toEqual([1, 2]);
    for (const { email_id, data, sha256 } of raw) {
      await system.db.query('update email_raw set data = $2, sha256 = $3 where email_id = $1', [
        email_id,
        data,
        sha256,
      ]);
    }
  });

  it('does not overwrite what a newer parser has read', async () => {
    await system.db.query("update incoming_emails set parser_version = $1, subject = 'newer' where id = 1", [
      PARSER_VERSION + 1,
    ]);
    expect((await run('--all', '--apply')).output).toContain('1 skipped');
    expect(await ids("select id from incoming_emails where subject = 'newer'")).toEqual([1]);
    await system.db.query('update incoming_emails set parser_version = $1 where id = 1', [PARSER_VERSION]);
  });

  it('reports emails that a worker has claimed, and leaves them unchanged', async () => {
    await system.db.query("update incoming_emails set parser_version = 0, subject = 'wrong'");
    const claimed = await ids("select id from claim_emails('extraction', 'worker-1')");
    const { code, output } = await run('--apply');
    expect([code, output]).toEqual([0, expect.stringContaining('2 emails rebuilt, 2 of them differ')]);
    expect(output).toContain('1 skipped (in use by a worker)');
    expect(await ids("select id from incoming_emails where subject = 'wrong'")).toEqual(claimed);
    await system.rows("select release_email('extraction', 'worker-1', $1)", claimed);
    expect((await run('--apply')).output).toContain('1 email rebuilt, 1 of them differ');
    await system.db.query('delete from consumers');
    await system.db.query('delete from email_queue');
  });

  it('continues after an id with --after', async () => {
    expect((await run('--all', '--apply', '--after', '2')).output).toContain('1 email to parse again');
  });

  it('prints what would change by column and file, and changes nothing without --apply', async () => {
    await system.db.query(
      `update incoming_emails
       set processed = id = 1, parser_version = 0, subject = case id when 1 then 'secret word' else subject end,
           body_text = case id when 1 then 'another secret' else body_text end`,
    );
    await system.db.query(
      "update email_attachments set filename = E'\\x1b[2Jevil\\u202efdp.exe' where email_id = 2",
    );
    await system.db.query("update email_attachments set content_type = 'text/wrong' where email_id = 3");
    await system.db.query(
      `insert into email_attachments (email_id, part_path, filename, content_type, file_data, file_size_bytes, sha256)
       select email_id, '9', 'gone.pdf', content_type, file_data, file_size_bytes, sha256
       from email_attachments
       where email_id = 3`,
    );
    await system.db.query('delete from email_attachments where email_id = 1');
    const stored = await snapshot();
    const { code, output } = await run('--all');
    expect(code).toBe(0);
    type File = { filename: string; file_size_bytes: number; sha256: string };
    const [file] = (before[0]?.['files'] ?? []) as File[];
    const size = file?.file_size_bytes;
    const sha = file?.sha256.slice(0, 12);
    expect(output).toContain('email 1: body_text, subject\n');
    expect(output).toContain(`  + part 2 "${file?.filename}" ${size} bytes ${sha}\n`);
    expect(output).toMatch(
      /email 2: only its files\n {2}~ part 2 "\\u\{1b\}\[2Jevil\\u\{202e\}fdp.exe" \d+ bytes [0-9a-f]{12} -> part 2 "order-\d.pdf" \d+ bytes [0-9a-f]{12}: filename\n/,
    );
    expect(output).toMatch(
      /email 3: only its files\n {2}- part 9 "gone.pdf" .*\n {2}~ part 2 "order-\d.pdf" .*: content_type\n/,
    );
    expect(output).toContain('3 emails would be rebuilt, 3 of them differ');
    expect(output).toContain('attachments: 1 added, 1 removed, 2 changed');
    expect(output).toContain('1 of those that differ are processed already and stay so');
    expect(output).toContain('Nothing was changed');
    for (const hidden of ['secret', 'Order 1', 'alice@', '\u001b', '\u202e'])
      expect(output).not.toContain(hidden);
    expect(await snapshot()).toEqual(stored);
    expect((await run('--all', '--apply')).output).toContain('3 emails rebuilt, 3 of them differ');
    expect((await run('--all')).output).toContain('3 emails would be rebuilt, 0 of them differ');
    await system.db.query('update incoming_emails set processed = false');
  });

  it('sets processed to false for emails that change with --reset-processed, and leaves the others processed', async () => {
    await system.db.query(
      "update incoming_emails set processed = true, subject = case id when 2 then 'x' else subject end",
    );
    await run('--all', '--reset-processed');
    expect(await ids('select id from incoming_emails where not processed')).toEqual([]);
    expect((await run('--all', '--apply', '--reset-processed')).output).toContain(
      'processed was set to false for them',
    );
    expect(await ids('select id from incoming_emails where not processed')).toEqual([2]);
    await system.db.query('update incoming_emails set processed = false');
  });

  it('selects emails by time, defect or parser version', async () => {
    const taken = async (flags: ReprocessFlags) => await countSelected(system.db, selectEmails(flags));
    await system.db.query(
      `update incoming_emails
       set received_at = ('2026-11-0' || id || 'T23:59:59.5Z')::timestamptz, parser_version = case id when 3 then 1 else ${PARSER_VERSION} end,
           defects = case id when 2 then '{date_missing}'::text[] else '{}' end`,
    );
    expect(await taken({ since: '2026-11-02' })).toBe(2);
    expect(await taken({ until: '2026-11-02' })).toBe(2);
    expect(await taken({ since: '2026-11-02', until: '2026-11-02' })).toBe(1);
    expect(await taken({ since: '2026-11-02T23:59:59.6Z' })).toBe(1);
    expect(await taken({ defect: 'date_missing' })).toBe(1);
    expect(await taken({ defect: 'date_missing', since: '2026-11-03' })).toBe(0);
    expect(await taken({ 'parser-version': String(PARSER_VERSION) })).toBe(2);
    expect(await taken({ 'older-parser': true })).toBe(1);
    expect(await taken({})).toBe(1);
    expect(await taken({ id: ['1', '3'] })).toBe(2);
    expect(await taken({ all: true, after: '1' })).toBe(2);
    const { output } = await run('--since', '2026-11-02', '--defect', 'no_such');
    expect(output).toContain('Defects of stored emails: date_missing');
  });

  it('rejects invalid options without a stack trace', async () => {
    for (const [flags, text] of [
      [{ since: '2026-02-30' }, '--since "2026-02-30" is invalid: expected a date'],
      [{ since: '2026-02-30T08:00:00Z' }, '--since "2026-02-30T08:00:00Z" is invalid: expected a date'],
      [{ until: 'yesterday' }, '--until "yesterday" is invalid: expected a date'],
      [{ since: 'Nov 2 2026 08:00' }, '--since "Nov 2 2026 08:00" is invalid: expected a date'],
      [{ since: '2026-11-02T08:00' }, '--since "2026-11-02T08:00" is invalid: expected a date'],
      [{ since: '2026-11-03', until: '2026-11-02' }, '--since is later than --until'],
      [{ defect: "'; drop table" }, '--defect "\'; drop table" is invalid'],
      [{ id: ['99999999999'] }, '--id "99999999999" is invalid'],
      [{ all: true, id: ['1'] }, '--all selects every email'],
      [{ 'older-parser': true, 'parser-version': '1' }, 'exclude each other'],
      [{ 'parser-version': 'x' }, '--parser-version "x" is invalid'],
    ] as const) {
      expect(() => selectEmails(flags)).toThrow(text);
    }
    const { code, output } = await run('--since', '2026-02-30');
    expect([code, output]).toEqual([1, expect.stringContaining('expected a date')]);
    expect(output).not.toMatch(/^ {4}at /m);
    expect(await run('--help')).toMatchObject({
      code: 0,
      output: expect.stringContaining('cloud-sql-proxy'),
    });
  });

  it('keeps rebuilt emails at a Ctrl-C, and continues after the last one', async () => {
    await system.db.query("update incoming_emails set parser_version = 0, subject = 'wrong'");
    // The command waits at the second email, whose row this transaction locks.
    let letGo = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const holder = system.context.db.transaction(async (tx) => {
      await tx.query('select 1 from incoming_emails where id = 2 for update');
      await held;
    });
    const command = startCommand('reprocess', ['--apply'], { DATABASE_URL: system.db.url });
    await command.printed(/email 1: subject/);
    // npm forwards the terminal's Ctrl-C, so it arrives twice. The kernel would merge two pending signals of one kind.
    command.signal('SIGINT');
    command.signal('SIGTERM');
    letGo();
    await holder;
    expect(await command.ended()).toBe(130);
    const wrong = await ids("select id from incoming_emails where subject = 'wrong' order by id");
    expect(wrong).toContain(3);
    expect(wrong).not.toContain(1);
    expect(command.output).toMatch(
      /Stopped after email [12]\. Rebuilt emails stay rebuilt\. To continue: npm run reprocess -- --apply --after [12]\n/,
    );
    expect((await run('--apply')).output).toContain(`${wrong.length} email`);
    expect(await ids("select id from incoming_emails where subject = 'wrong'")).toEqual([]);
  });

  it('runs concurrently with ingest and with another reprocess', async () => {
    for (let n = 0; n < 20; n += 1) system.gmail.deliver(mail(`Concurrent ${n}`));
    await system.db.query("update incoming_emails set parser_version = 0, subject = 'wrong'");
    await system.db.query("update email_attachments set filename = 'wrong.pdf'");
    const all = async () => {
      const results: string[] = [];
      for await (const { result } of reprocess({ db: system.db, largeBytes: null }, ALL_EMAILS, REPLACE))
        results.push(result.kind);
      return results;
    };
    const [report, ...results] = await Promise.all([system.ingest(), all(), all()]);
    expect(report).toMatchObject({ outcome: 'completed', counts: { stored: 20 } });
    expect(new Set(results.flat())).toEqual(new Set(['same', 'changed']));
    const counts = 'select count(*)::integer as id from ';
    expect(await ids(`${counts} incoming_emails`)).toEqual([23]);
    expect(await ids(`${counts} incoming_emails where subject = 'wrong'`)).toEqual([0]);
    expect(await ids(`${counts} email_attachments`)).toEqual([3]);
  });

  it('reports a missing database configuration', async () => {
    const { code, output } = await runToEnd('reprocess', [], { DATABASE_URL: '' });
    expect([code, output]).toEqual([1, expect.stringContaining('DATABASE_URL')]);
  });
});
