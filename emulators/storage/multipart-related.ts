/** Reads an upload in one request: https://cloud.google.com/storage/docs/uploading-objects#upload-object-json */
import { StorageError } from './storage-error.ts';

export interface UploadParts {
  readonly resource: {
    readonly name?: string;
    readonly md5Hash?: string;
    readonly contentType?: string;
    readonly metadata?: Readonly<Record<string, string>>;
  };
  readonly contentType: string;
  readonly bytes: Buffer;
}

/** @throws {StorageError} 400 when the body is not two parts, of which the first is JSON */
export function readMultipart(contentType: string, body: Buffer): UploadParts {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  if (boundary === undefined) throw new StorageError(400, 'The multipart body has no boundary.');
  const delimiter = Buffer.from(`--${boundary}`);
  const first = body.indexOf(delimiter);
  const second = body.indexOf(delimiter, first + delimiter.length);
  const end = body.lastIndexOf(delimiter);
  if (first < 0 || second <= first || end <= second)
    throw new StorageError(400, 'The multipart body must have two parts.');
  const resource = partOf(body.subarray(first + delimiter.length, second));
  const media = partOf(body.subarray(second + delimiter.length, end));
  try {
    return {
      resource: JSON.parse(resource.content.toString('utf8')),
      contentType: media.type,
      bytes: media.content,
    };
  } catch {
    throw new StorageError(400, 'The first part is not JSON.');
  }
}

function partOf(part: Buffer): { readonly type: string; readonly content: Buffer } {
  const headerEnd = part.indexOf('\r\n\r\n');
  const header = part.subarray(0, headerEnd).toString('latin1');
  const type = /^content-type:\s*(.+)$/im.exec(header)?.[1]?.trim() ?? 'application/octet-stream';
  // The line break before the next delimiter belongs to the delimiter.
  return { type, content: part.subarray(headerEnd + 4, part.length - 2) };
}
