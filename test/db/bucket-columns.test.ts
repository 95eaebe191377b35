/** The columns of bytes in the bucket: what the database accepts, and that older code still works on them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { storeEmails } from '../helpers/email-queue.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
let emailId: number;
beforeAll(async () => {
  db = await createTestDatabase();
  [emailId = 0] = await storeEmails(db, 1);
});
afterAll(async () => await db.close());

const ZEROS = '0'.repeat(64);

describe('a row has bytes or an object', () => {
  it.each([
    ['neither', 'null', 'null'],
    ['both', "'x'", "'files/0'"],
  ])('and an attachment with %s is rejected', async (_what, data, object) => {
    const insert = db.query(
      `insert into email_attachments (email_id, part_path, filename, content_type, file_data, bucket_object, file_size_bytes, sha256)
       values ($1, '8', 'f', 'text/plain', ${data}, ${object}, 1, $2)`,
      [emailId, ZEROS],
    );
    await expect(insert).rejects.toMatchObject({ code: 'unstorable' });
  });

  it.each([
    'data = null',
    "bucket_object = 'raw/0.gz'",
    "data = null, bucket_object = 'raw/0.gz'",
    'bucket_bytes = 1',
  ])('and a raw email after `set %s` is rejected', async (set) => {
    const update = db.query(`update email_raw set ${set} where email_id = $1`, [emailId]);
    await expect(update).rejects.toMatchObject({ code: 'unstorable' });
  });
});

it('a statement of older code inserts a row without the new columns', async () => {
  await db.query(
    `insert into email_attachments (email_id, part_path, filename, content_type, file_data, file_size_bytes, sha256)
     values ($1, '9', 'f', 'text/plain', 'x', 1, $2)`,
    [emailId, ZEROS],
  );
  const { rows } = await db.query(
    "select attachment_data(id) as bytes from email_attachments where part_path = '9'",
  );
  expect(rows).toEqual([{ bytes: Buffer.from('x') }]);
});

it('a row announces its object when it is deleted or gets its bytes back, and not otherwise', async () => {
  const announced = async () => (await db.query('select name from bucket_objects order by name')).rows;
  await db.query(
    `insert into email_attachments (email_id, part_path, filename, content_type, bucket_object, file_size_bytes, sha256)
     select $1, n::text, 'f', 'text/plain', 'files/' || n, 1, $2 from generate_series(20, 22) n`,
    [emailId, ZEROS],
  );
  await db.query("update email_attachments set filename = 'g' where bucket_object is not null");
  expect(await announced()).toEqual([]);
  await db.query("delete from email_attachments where bucket_object = 'files/20'");
  await db.query(
    "update email_attachments set bucket_object = null, file_data = 'x' where bucket_object = 'files/21'",
  );
  expect(await announced()).toEqual([{ name: 'files/20' }, { name: 'files/21' }]);
  await db.query('delete from incoming_emails where id = $1', [emailId]);
  expect(await announced()).toEqual([{ name: 'files/20' }, { name: 'files/21' }, { name: 'files/22' }]);
});
