/**
 * `attachment-url`: answers a consumer with a signed URL for the bytes of an attachment that is in the bucket, which
 * `attachment_data` cannot read.
 *
 * GET ?id=ATTACHMENT_ID. 200 `{url, expires_at, filename, ...}`. 404 when the attachment does not exist, 409 when its bytes are in the
 * database, 502 or 503 when Google does not sign.
 */
import { openBucket } from '../shared/bucket/bucket.ts';
import { requireBucket } from '../shared/bucket/read-object.ts';
import type { AppContext } from '../shared/control/app-context.ts';
import { statement } from '../shared/db/statement.ts';
import { AppError } from '../shared/errors.ts';
import { assertParameters, type HttpRequest, json, type Route } from '../shared/http.ts';
import type { AttachmentUrl } from '../shared/schemas/attachment-url.ts';

const LIFETIME_MS = 15 * 60_000;
const MAX_ID = 2_147_483_647;

// $1 attachment id int
const READ = statement(
  `
select filename, coalesce(detected_content_type, content_type) as content_type, file_size_bytes, sha256, bucket_object
from email_attachments
where id = $1::integer`,
  {
    filename: 'text',
    content_type: 'text',
    file_size_bytes: 'integer',
    sha256: 'text',
    bucket_object: 'text?',
  },
);

export function createRoute({ config, db }: AppContext): Route {
  return {
    methods: ['GET'],
    handle: async (request) => {
      const id = idOf(request);
      const row = (await db.query(READ, [id])).rows[0];
      if (row === undefined) throw new AppError('not_found', 'There is no attachment with this id.');
      if (row.bucket_object === null)
        throw new AppError('bytes_in_database', `The bytes of attachment ${id} are in the database.`);
      const expiresAt = new Date(Date.now() + LIFETIME_MS);
      // A browser saves the file and opens nothing. The name that the sender chose must not be in a URL.
      const url = await requireBucket(openBucket(config)).signedUrl(row.bucket_object, {
        disposition: `attachment; filename="attachment-${id}.bin"`,
        contentType: 'application/octet-stream',
        expiresAt,
      });
      return json<AttachmentUrl>(200, {
        url,
        expires_at: expiresAt,
        filename: row.filename,
        content_type: row.content_type,
        size_bytes: row.file_size_bytes,
        sha256: row.sha256,
      });
    },
  };
}

/** @throws {AppError} bad_request */
function idOf(request: HttpRequest): number {
  assertParameters(request, 'attachment-url', ['id']);
  const text = request.query['id'];
  const id = typeof text === 'string' && /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (id >= 1 && id <= MAX_ID) return id;
  throw new AppError('bad_request', `"id" must be a whole number from 1 to ${MAX_ID}.`);
}
