import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { reprocess } from '../../shared/ingest/reprocess.ts';
import { PARSER_VERSION } from '../../shared/mime/parsed-email.ts';
import { runToEnd } from '../helpers/command-process.ts';
import { mail, order } from '../helpers/mails.ts';
import { createWorld, type World } from '../helpers/world.ts';

// Each command is a process of its own, and a busy machine starts it slowly.
vi.setConfig({ testTimeout: 30_000 });

let world: World;
let before: Awaited<ReturnType<typeof snapshot>>;

beforeAll(async () => {
  world = await createWorld();
  for (const n of [1, 2, 3]) world.gmail.deliver(order(n));
  await world.ingest();
  before = await snapshot();
});
afterAll(async () => await world.close());
/** Every email as the present reader reads it. */
beforeEach(async () => {
  for await (const _ of reprocess(world.db, { emails: 'all', afterId: 0 }));
});

async function snapshot() {
  return await world.rows<Record<string, unknown>>(
    `select e.*, (select jsonb_agg(to_jsonb(a) order by a.id) from email_attachments a where a.email_id = e.id) as files
     from incoming_emails e
     where id <= 3
     order by id`,
  );
}

async function run(...args: string[]) {
  return await runToEnd('reprocess', args, { DATABASE_URL: world.db.url });
}

async function ids(sql: string): Promise<number[]> {
  return (await world.rows<{ id: number }>(sql)).map((row) => row.id);
}

describe('npm run reprocess', () => {
  it('rebuilds what an older reader has read, without Gmail, and leaves the rest', async () => {
    await world.db.query(
      "update incoming_emails set parser_version = 0, subject = 'wrong', body_text = null, processed = true where id = 2",
    );
    await world.db.query('update incoming_emails set parser_version = 0 where id = 3');
    const { code, output } = await run();
    expect([code, output]).toEqual([0, expect.stringContaining('2 emails rebuilt, 1 of them differ')]);
    const after = await snapshot();
    expect(after[1]).toMatchObject({ ...before[1], processed: true, updated_at: expect.any(Date) });
    expect(after[1]?.['updated_at']).not.toEqual(before[1]?.['updated_at']);
    expect(after[2]).toEqual(before[2]);
    expect((await run()).output).toContain('0 emails to read again');
  });

  it('keeps the row of an attachment whose part, name and bytes are unchanged, and replaces the others', async () => {
    await world.db.query(`update email_attachments set content_type = 'text/wrong' where email_id = 1;`);
    await world.db.query("update email_attachments set filename = 'wrong.pdf' where email_id = 2");
    await world.db.query(
      `insert into email_attachments (email_id, part_path, filename, content_type, file_data, file_size_bytes, sha256)
       select email_id, '9', filename, content_type, file_data, file_size_bytes, sha256
       from email_attachments
       where email_id = 3`,
    );
    const kept = await ids('select id from email_attachments where email_id = 1');
    const lost = await ids('select id from email_attachments where email_id = 2');
    expect((await run('--all')).output).toContain('3 emails rebuilt, 3 of them differ');
    expect(await ids('select id from email_attachments where email_id = 1')).toEqual(kept);
    expect(await ids('select id from email_attachments where email_id = 2')).not.toEqual(lost);
    const files = await world.rows(
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
    expect((await run('--all')).output).toContain('3 emails rebuilt, 0 of them differ');
  });

  it('reads one email, and says when there is none of that id', async () => {
    await world.db.query("update incoming_emails set subject = 'wrong'");
    expect((await run('--id', '2')).output).toContain('1 email rebuilt, 1 of them differ');
    expect(await ids("select id from incoming_emails where subject = 'wrong' order by id")).toEqual([1, 3]);
    expect(await run('--id', '4711')).toMatchObject({
      code: 1,
      output: expect.stringContaining('no email 4711'),
    });
    expect(await run('--id', 'x')).toMatchObject({
      code: 1,
      output: expect.stringContaining('"x" is no id'),
    });
  });

  it('names raw bytes that fail their checksum, leaves those emails alone, and rebuilds the others', async () => {
    const raw = await world.rows('select email_id, data, sha256 from email_raw order by email_id');
    await world.db.query("update email_raw set sha256 = repeat('0', 64) where email_id = 1");
    await world.db.query("update email_raw set data = decode('1f8b', 'hex') where email_id = 2");
    await world.db.query("update incoming_emails set subject = 'wrong'");
    const { code, output } = await run('--all');
    expect(code).toBe(1);
    expect(output).toContain('1 email rebuilt');
    expect(output).toContain('email 1: its exact bytes do not match their SHA-256');
    expect(output).toContain('email 2: its exact bytes cannot be decompressed');
    expect(await ids("select id from incoming_emails where subject = 'wrong' order by id")).toEqual([1, 2]);
    for (const { email_id, data, sha256 } of raw) {
      await world.db.query('update email_raw set data = $2, sha256 = $3 where email_id = $1', [
        email_id,
        data,
        sha256,
      ]);
    }
  });

  it('does not undo what a newer reader has read', async () => {
    await world.db.query("update incoming_emails set parser_version = $1, subject = 'newer' where id = 1", [
      PARSER_VERSION + 1,
    ]);
    expect((await run('--all')).output).toContain('1 skipped');
    expect(await ids("select id from incoming_emails where subject = 'newer'")).toEqual([1]);
    await world.db.query('update incoming_emails set parser_version = $1 where id = 1', [PARSER_VERSION]);
  });

  it('goes on behind an id', async () => {
    expect((await run('--all', '--after', '2')).output).toContain('1 email to read again');
  });

  it('runs beside ingest and beside itself', async () => {
    for (let n = 0; n < 20; n += 1) world.gmail.deliver(mail(`Beside ${n}`));
    await world.db.query("update incoming_emails set parser_version = 0, subject = 'wrong'");
    await world.db.query("update email_attachments set filename = 'wrong.pdf'");
    const all = async () => {
      const results: string[] = [];
      for await (const { result } of reprocess(world.db, { emails: 'all', afterId: 0 })) results.push(result);
      return results;
    };
    const [report, ...results] = await Promise.all([world.ingest(), all(), all()]);
    expect(report).toMatchObject({ outcome: 'completed', counts: { stored: 20 } });
    expect(new Set(results.flat())).toEqual(new Set(['same', 'changed']));
    const counts = 'select count(*)::integer as id from ';
    expect(await ids(`${counts} incoming_emails`)).toEqual([23]);
    expect(await ids(`${counts} incoming_emails where subject = 'wrong'`)).toEqual([0]);
    expect(await ids(`${counts} email_attachments`)).toEqual([3]);
  });

  it('says what is missing when no database is configured', async () => {
    const { code, output } = await runToEnd('reprocess', [], { DATABASE_URL: '' });
    expect([code, output]).toEqual([1, expect.stringContaining('DATABASE_URL')]);
  });
});
