/** GET / and /assets/NAME: the page and its assets, compressed with an encoding that the browser accepts. */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { AppError } from '../../shared/errors.ts';
import type { HttpRequest, HttpResponse, Route } from '../../shared/http.ts';
import { type Asset, loadPageFiles } from './page-assets.ts';

/** Allows the page's own files only, so that a script from an email cannot run. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Below this size, compression costs more than it saves. */
const MIN_COMPRESSED_BYTES = 512;

/** A deployment changes the page, so the browser revalidates it on every visit. The usual response is 304. */
export function createPageRoute(): Route {
  return {
    methods: ['GET', 'HEAD'],
    handle: async (request) => {
      const { html } = await loadPageFiles();
      const bytes = Buffer.from(html);
      const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
      const headers = {
        'cache-control': 'no-cache',
        'content-security-policy': PAGE_POLICY,
        etag,
        vary: 'Accept-Encoding',
      };
      // `includes`, because a compressing proxy may have made the ETag a weak one.
      const isKnown = String(request.headers['if-none-match'] ?? '').includes(etag);
      if (isKnown) return { status: 304, headers, body: null };
      return await compressedAnswer(request, { bytes, type: 'text/html; charset=utf-8' }, headers);
    },
  };
}

/** The name of an asset contains its hash, so browsers may cache it indefinitely. */
export function createAssetRoute(): Route {
  return {
    methods: ['GET', 'HEAD'],
    handle: async (request) => {
      const { assets } = await loadPageFiles();
      const asset = assets.get(request.path.slice('/assets/'.length));
      if (asset === undefined) throw new AppError('not_found', 'There is no such asset.');
      return await compressedAnswer(request, asset, {
        'cache-control': 'public, max-age=31536000, immutable',
        vary: 'Accept-Encoding',
      });
    },
  };
}

type Encoding = 'br' | 'gzip';

/** Compressed once per instance. The key is the encoding and the hash of the bytes. */
const compressed = new Map<string, Promise<Buffer>>();

async function compressedAnswer(
  request: HttpRequest,
  asset: Asset,
  headers: Readonly<Record<string, string>>,
): Promise<HttpResponse> {
  const plain = { status: 200, headers: { ...headers, 'content-type': asset.type }, body: asset.bytes };
  const encoding = acceptedEncoding(request.headers['accept-encoding']);
  if (encoding === null || asset.bytes.length < MIN_COMPRESSED_BYTES || asset.type === 'image/png')
    return plain;
  const key = `${encoding} ${createHash('sha256').update(asset.bytes).digest('hex')}`;
  const body = compressed.get(key) ?? compress(asset.bytes, encoding);
  compressed.set(key, body);
  return { ...plain, headers: { ...plain.headers, 'content-encoding': encoding }, body: await body };
}

function acceptedEncoding(header: string | string[] | undefined): Encoding | null {
  const names = String(header ?? '')
    .split(',')
    .filter((part) => !/;\s*q=0(\.0*)?\s*$/.test(part))
    .map((part) => part.split(';')[0]?.trim());
  if (names.includes('br')) return 'br';
  return names.includes('gzip') ? 'gzip' : null;
}

async function compress(bytes: Buffer, encoding: Encoding): Promise<Buffer> {
  if (encoding === 'gzip') return await promisify(gzip)(bytes, { level: 9 });
  // Quality 11 is only slightly smaller and takes about ten times as long.
  return await promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } });
}
