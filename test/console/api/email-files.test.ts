/** The files of an email as one zip, and the preview of a single file. */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { strFromU8, unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { uniqueNames } from '../../../console/api/zip-stream.ts';
import { mail } from '../../helpers/test-emails.ts';
import { type Answered, createTestSystem, type TestSystem } from '../../helpers/test-system.ts';

const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
});
afterAll(() => system.close());

async function get(path: string): Promise<Answered> {
  return await system.call('console', { path: `/api/console/${path}`, method: 'GET' });
}

interface SentFile {
  readonly type: string;
  readonly name: string;
  readonly base64: string;
}

/** @returns the id of a stored email with these files */
async function emailWith(...files: readonly SentFile[]): Promise<number> {
  const parts = files.flatMap(({ base64, name, type }) => [
    '--b',
    `Content-Type: ${type}`,
    `Content-Disposition: attachment; filename*=utf-8''${encodeURIComponent(name)}`,
    'Content-Transfer-Encoding: base64',
    '',
    ...(base64.match(/.{1,76}/g) ?? []),
  ]);
  const head = ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b', ''];
  const text = ['--b', 'Content-Type: text/plain', '', 'See the files.'];
  const { id: gmailId } = system.gmail.deliver(mail('Files', [...head, ...text, ...parts, '--b--']));
  expect((await system.ingest()).outcome).toBe('completed');
  const [row] = await system.rows<{ id: number }>(
    'select id from incoming_emails where gmail_message_id = $1::text',
    [gmailId],
  );
  return row?.id ?? 0;
}

function file(name: string, content: string, type = 'application/octet-stream'): SentFile {
  return { type, name, base64: Buffer.from(content).toString('base64') };
}

/** Gives a file of the email these bytes. */
async function fill(emailId: number, bytes: Buffer): Promise<void> {
  await system.rows(
    `update email_attachments
     set file_data = $2::bytea, file_size_bytes = $3::integer, sha256 = $4::text
     where id = (select max(id) from email_attachments where email_id = $1::integer)`,
    [emailId, bytes, bytes.length, createHash('sha256').update(bytes).digest('hex')],
  );
}

async function zipOf(emailId: number): Promise<Buffer> {
  return await buffer((await get(`emails/${emailId}/files.zip`)).body as Readable);
}

describe('GET emails/ID/files.zip', () => {
  it('has every file with its exact bytes under a unique name, and is the same each time', async () => {
    const id = await emailWith(
      file('a.pdf', 'first'),
      file('A.pdf', 'second'),
      file('a.pdf', ''),
      file('注文書.csv', 'third'),
    );
    const { headers, status } = await get(`emails/${id}/files.zip`);
    expect([status, headers['content-type'], headers['content-security-policy']]).toEqual([
      200,
      'application/zip',
      'sandbox',
    ]);
    expect(headers['content-disposition']).toContain(`attachment; filename="email-${id}.zip"`);
    const zip = await zipOf(id);
    const stored = await system.rows<{ sha256: string }>(
      'select sha256 from email_attachments where email_id = $1::integer order by id',
      [id],
    );
    const unzipped = Object.entries(unzipSync(zip));
    expect(unzipped.map(([name]) => name)).toEqual(['a.pdf', 'A (2).pdf', 'a (3).pdf', '注文書.csv']);
    expect(unzipped.map(([, bytes]) => createHash('sha256').update(bytes).digest('hex'))).toEqual(
      stored.map((row) => row.sha256),
    );
    expect((await zipOf(id)).equals(zip)).toBe(true);
    // Bit 11 of the flags says that the name is UTF-8. Without it, a program guesses an encoding.
    const header = zip.lastIndexOf(Buffer.from('PK\x01\x02'));
    expect(zip.readUInt16LE(header + 8) & 0x800).toBe(0x800);
  });

  it('reads one slice at a time, and no further when the client stops reading', async () => {
    const id = await emailWith(file('small.bin', 'x'), file('large.bin', 'x'));
    await fill(id, Buffer.alloc(6 * 1_048_576 + 5, 7));
    const query = vi.spyOn(system.context.db, 'query');
    const body = (await get(`emails/${id}/files.zip`)).body as Readable;
    const sizes: number[] = [];
    for await (const bytes of body) {
      sizes.push(bytes.length);
      if (sizes.reduce((sum, size) => sum + size) > 2 * 1_048_576) break;
    }
    const count = query.mock.calls.length;
    expect(body.destroyed).toBe(true);
    await system.context.db.query('select 1');
    expect(query.mock.calls.length).toBe(count + 1);
    query.mockRestore();
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_048_576);
    expect(count).toBeLessThan(9);
  });

  it.each([
    ['the database fails', 'alter table email_attachments rename to hidden_attachments'],
    ['a file is deleted', 'delete from email_attachments'],
  ])('fails without the directory of the zip when %s during the download', async (_case, sql) => {
    const id = await emailWith(file('large.bin', 'x'));
    await fill(id, Buffer.alloc(3 * 1_048_576, 7));
    const body = (await get(`emails/${id}/files.zip`)).body as Readable;
    const read: Buffer[] = [];
    let isChanged = false;
    const reading = async () => {
      for await (const bytes of body) {
        read.push(bytes);
        if (isChanged || read.length < 2) continue;
        isChanged = true;
        await system.rows(sql);
      }
    };
    try {
      await expect(reading()).rejects.toThrow();
    } finally {
      if (sql.startsWith('alter'))
        await system.rows('alter table hidden_attachments rename to email_attachments');
    }
    expect(isChanged).toBe(true);
    expect(Buffer.concat(read).includes(Buffer.from('PK\x05\x06'))).toBe(false);
  });

  it('is 404 for an email without files, and for an unknown one', async () => {
    expect((await get('emails/2147483648/files.zip')).status).toBe(404);
    const id = await emailWith();
    expect(await get(`emails/${id}/files.zip`)).toMatchObject({ status: 404, json: { code: 'not_found' } });
  });
});

describe('the names in a zip', () => {
  const names = (...all: string[]) => uniqueNames(all.map((name) => ({ name, fallbackName: 'file.bin' })));

  it('are no paths, devices or hidden files', () => {
    expect(
      names('../../etc/passwd', 'C:\\x\\y.exe', '/abs.txt', '.bashrc', 'nul.txt', '\u202e', 'x\u0000y'),
    ).toEqual(['_.._etc_passwd', 'C__x_y.exe', '_abs.txt', 'bashrc', '_nul.txt', 'file.bin', 'xy']);
  });

  it.each([
    ['CON .pdf', '_CON .pdf'],
    ['com¹.txt', '_com¹.txt'],
    ['CONIN$', '_CONIN$'],
    ['conin.txt', 'conin.txt'],
  ])('the device %j becomes the file %j', (name, expected) => {
    expect(names(name)).toEqual([expected]);
  });

  it('do not end with a space after they are shortened, because Windows removes it', () => {
    expect(names(`${'a'.repeat(199)} b`)).toEqual(['a'.repeat(199)]);
  });

  it('are different where a file system ignores case and normalization', () => {
    expect(
      names('a (2).pdf', 'a.pdf', 'a.pdf', 'A.PDF', 'é', 'e\u0301', 'noext', 'noext', 'a.tar.gz', 'a.tar.gz'),
    ).toEqual([
      'a (2).pdf',
      'a.pdf',
      'a (3).pdf',
      'A (4).PDF',
      'é',
      'e\u0301 (2)',
      'noext',
      'noext (2)',
      'a.tar.gz',
      'a.tar (2).gz',
    ]);
  });

  it('are found quickly for thousands of equal names', () => {
    const all = names(...Array.from({ length: 6_000 }, () => 'image.png'));
    expect([all.at(-1), new Set(all).size]).toEqual(['image (6000).png', 6_000]);
  });
});

describe('GET attachments/ID/preview', () => {
  const preview = async (one: SentFile): Promise<[Answered, kind: string | null]> => {
    const id = await emailWith(one);
    const [shown] = (await get(`emails/${id}`)).json.attachments;
    return [await get(`attachments/${shown.id}/preview`), shown.preview];
  };

  it.each([
    ['image/png', 'image', PNG, 'application/octet-stream'],
    ['application/pdf', 'pdf', Buffer.from('%PDF-1.7\nx').toString('base64'), 'text/html'],
  ])(
    'shows %s by the type of its bytes, sandboxed and for this page only',
    async (type, kind, base64, declared) => {
      const [answered, shownAs] = await preview({ type: declared, name: 'a"b.html', base64 });
      expect(shownAs).toBe(kind);
      expect(answered.headers).toMatchObject({
        'content-type': type,
        'content-disposition': 'inline; filename="a_b.html"; filename*=UTF-8\'\'a_b.html',
        'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'self'",
        'cross-origin-resource-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
      });
      expect((await buffer(answered.body as Readable)).equals(Buffer.from(base64, 'base64'))).toBe(true);
    },
  );

  it.each([
    [
      'an SVG',
      file('x.svg', '<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', 'image/svg+xml'),
    ],
    ['HTML that is declared as PDF', file('x.pdf', '<html><script>1</script></html>', 'application/pdf')],
    ['HTML that is declared as PNG', file('x.png', '<!doctype html><script>1</script>', 'image/png')],
    ['text', file('x.txt', 'text', 'text/plain')],
    ['a zip', file('x.zip', 'PK\u0003\u0004', 'application/zip')],
  ])('shows no %s', async (_case, one) => {
    const [answered, shownAs] = await preview(one);
    expect([answered.status, shownAs]).toEqual([404, null]);
  });
});

it('reads names of a zip as they were stored', async () => {
  const id = await emailWith(file('one.txt', 'text of the file'));
  const [[name, bytes] = ['', new Uint8Array()]] = Object.entries(unzipSync(await zipOf(id)));
  expect([name, strFromU8(bytes)]).toEqual(['one.txt', 'text of the file']);
});
