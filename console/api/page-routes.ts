/** GET / and /assets/NAME: the page and what it loads, compressed as the browser takes it. */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { AppError } from '../../shared/errors.ts';
import type { HttpAnswer, HttpRequest, Route } from '../../shared/http.ts';
import { type Asset, loadPage } from './page-assets.ts';

/** The page's own files and nothing else: a script that a mail brings in has no place to run. */
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

/** Below it, compressing costs more than it spares. */
const WORTH_BYTES = 512;

/** The page changes with a deployment: it is asked for each time, and mostly answered by 304. */
export function createPageRoute(): Route {
  return {
    methods: ['GET', 'HEAD'],
    handle: async (request) => {
      const { html } = await loadPage();
      const bytes = Buffer.from(html);
      const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
      const headers = {
        'cache-control': 'no-cache',
        'content-security-policy': PAGE_POLICY,
        etag,
        vary: 'Accept-Encoding',
      };
      // A proxy that compresses may have weakened it on the way.
      const isKnown = String(request.headers['if-none-match'] ?? '').includes(etag);
      if (isKnown) return { status: 304, headers, body: null };
      return await encoded(request, { bytes, type: 'text/html; charset=utf-8' }, headers);
    },
  };
}

/** An asset's name holds its hash: it is kept for ever. */
export function createAssetRoute(): Route {
  return {
    methods: ['GET', 'HEAD'],
    handle: async (request) => {
      const { assets } = await loadPage();
      const asset = assets.get(request.path.slice('/assets/'.length));
      if (asset === undefined) throw new AppError('not_found', 'There is no such asset.');
      return await encoded(request, asset, {
        'cache-control': 'public, max-age=31536000, immutable',
        vary: 'Accept-Encoding',
      });
    },
  };
}

type Encoding = 'br' | 'gzip';

/** Each once an instance, by the bytes that it was made from. */
const compressed = new Map<string, Promise<Buffer>>();

async function encoded(
  request: HttpRequest,
  asset: Asset,
  headers: Readonly<Record<string, string>>,
): Promise<HttpAnswer> {
  const plain = { status: 200, headers: { ...headers, 'content-type': asset.type }, body: asset.bytes };
  const encoding = wanted(request.headers['accept-encoding']);
  if (encoding === null || asset.bytes.length < WORTH_BYTES || asset.type === 'image/png') return plain;
  const key = `${encoding} ${createHash('sha256').update(asset.bytes).digest('hex')}`;
  const body = compressed.get(key) ?? compress(asset.bytes, encoding);
  compressed.set(key, body);
  return { ...plain, headers: { ...plain.headers, 'content-encoding': encoding }, body: await body };
}

function wanted(header: string | string[] | undefined): Encoding | null {
  const names = String(header ?? '')
    .split(',')
    .filter((part) => !/;\s*q=0(\.0*)?\s*$/.test(part))
    .map((part) => part.split(';')[0]?.trim());
  if (names.includes('br')) return 'br';
  return names.includes('gzip') ? 'gzip' : null;
}

async function compress(bytes: Buffer, encoding: Encoding): Promise<Buffer> {
  if (encoding === 'gzip') return await promisify(gzip)(bytes, { level: 9 });
  // Quality 9 takes 10 ms for 60 KB; 11 is a twentieth smaller and takes ten times as long.
  return await promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } });
}
