import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { storeEmail } from '../../shared/db/emails.ts';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { replaceParsed } from '../../shared/reprocess/replace-parsed.ts';
import {
  countsOf,
  isFoundBy,
  mailboxWithPending,
  ONE_STORED,
  RAW_EMAIL,
  storable,
} from '../helpers/storable-email.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

describe('replaceParsed', () => {
  test('updates columns, attachments and search words of an email, and keeps the id of an unchanged attachment', async () => {
    const mailbox = await mailboxWithPending(db);
    await storeEmail(db, mailbox, await storable('a'));
    const { rows } = await db.query<{ id: number; attachment_id: number }>(
      `select e.id, a.id as attachment_id
       from incoming_emails e join email_attachments a on a.email_id = e.id and a.filename = 'order.pdf'
       where e.mailbox_id = $1`,
      [mailbox.mailboxId],
    );
    const [{ id = 0, attachment_id: attachmentId = 0 } = {}] = rows;
    const parsed = await parseEmail(RAW_EMAIL);
    const changed = {
      ...parsed,
      subject: 'Bestellung 2',
      attachments: parsed.attachments.map((one) =>
        one.filename === 'lines.csv' ? { ...one, filename: 'zeilen.csv' } : one,
      ),
    };
    const replaced = await replaceParsed({ db, largeBytes: null }, id, changed, {
      parserVersion: 2,
      resetsProcessed: true,
    });
    expect(replaced).toMatchObject({
      difference: { columns: ['subject'], files: [{ kind: 'changed', columns: ['filename'] }] },
    });
    for (const words of ['bestellung 2', 'zeilen csv', 'order pdf'])
      expect([words, await isFoundBy(db, mailbox, words)]).toEqual([words, true]);
    for (const words of ['order 1', 'lines'])
      expect([words, await isFoundBy(db, mailbox, words)]).toEqual([words, false]);
    expect(await countsOf(db, mailbox)).toEqual(ONE_STORED);
    const kept = await db.query('select filename from email_attachments where id = $1', [attachmentId]);
    expect(kept.rows).toEqual([{ filename: 'order.pdf' }]);
  });

  test('adds the missing search words of an email when no column differs, and changes nothing else', async () => {
    const mailbox = await mailboxWithPending(db);
    await storeEmail(db, mailbox, await storable('a'));
    const { rows } = await db.query<{ id: number; updated_at: Date }>(
      'update incoming_emails set processed = true where mailbox_id = $1 returning id, updated_at',
      [mailbox.mailboxId],
    );
    const [{ id = 0, updated_at: updatedAt = null } = {}] = rows;
    await db.query('delete from email_search where email_id = $1', [id]);
    const replaced = await replaceParsed({ db, largeBytes: null }, id, await parseEmail(RAW_EMAIL), {
      parserVersion: 1,
      resetsProcessed: true,
    });
    expect(replaced).toMatchObject({ difference: { columns: [], files: [] } });
    expect(await isFoundBy(db, mailbox, 'order 1 lines')).toBe(true);
    const after = await db.query('select processed, updated_at from incoming_emails where id = $1', [id]);
    expect(after.rows).toEqual([{ processed: true, updated_at: updatedAt }]);
  });

  test('does not replace the columns of an email that a newer parser stored', async () => {
    const mailbox = await mailboxWithPending(db);
    await storeEmail(db, mailbox, { ...(await storable('a')), parserVersion: 3 });
    const { rows } = await db.query<{ id: number }>('select id from incoming_emails where mailbox_id = $1', [
      mailbox.mailboxId,
    ]);
    const options = { parserVersion: 2, resetsProcessed: false };
    expect(
      await replaceParsed({ db, largeBytes: null }, rows[0]?.id ?? 0, await parseEmail(RAW_EMAIL), options),
    ).toBeNull();
  });
});
