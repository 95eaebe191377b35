/**
 * HTTP server of the emulated Cloud Storage on a loopback port: the JSON API for objects, and a GET of `/BUCKET/OBJECT` as a signed
 * URL makes it. Google's Node client works with it unchanged. Credentials and signatures are not checked, but requests of web pages
 * are rejected.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { rejectionOf } from '../loopback-requests.ts';
import {
  type EmulatedStorage,
  md5Of,
  type Operation,
  type StorageCall,
  type StoredObject,
} from './emulated-storage.ts';
import { readMultipart } from './multipart-related.ts';
import { StorageError } from './storage-error.ts';

const MAX_BODY_BYTES = 200 * 1_048_576;
const DEFAULT_PAGE = 1_000;

export interface RunningStorage {
  /** `127.0.0.1:PORT`, for STORAGE_EMULATOR_HOST. */
  readonly host: string;
  close(): Promise<void>;
}

/** @param port 0 means any free port. @throws {Error} EADDRINUSE when the port is taken */
export async function startEmulatedStorage(storage: EmulatedStorage, port = 0): Promise<RunningStorage> {
  const server = createServer((request, response) => void serve(storage, request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Route extends StorageCall {
  readonly query: URLSearchParams;
  readonly isSigned: boolean;
}

async function serve(
  storage: EmulatedStorage,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const rejection = rejectionOf(request.headers);
    if (rejection !== null) throw new StorageError(403, rejection);
    const route = routeOf(request);
    const body = await readBody(request);
    storage.calls.push({ operation: route.operation, bucket: route.bucket, name: route.name });
    await storage.beforeCall(route);
    const fault = storage.takeFault(route.operation);
    if (fault?.kind === 'hang') {
      storage.hangingCount += 1;
      response.once('close', () => {
        storage.hangingCount -= 1;
      });
      return;
    }
    if (fault?.kind === 'status') throw new StorageError(fault.status ?? 503, 'Injected fault.');
    answer(storage, { route, request, body, isTruncated: fault?.kind === 'truncate' }, response);
  } catch (error) {
    const known = error instanceof StorageError ? error : new StorageError(500, String(error));
    sendJson(response, known.status, known.toBody());
  }
}

function routeOf({ method = 'GET', url = '/' }: IncomingMessage): Route {
  const { pathname, searchParams: query } = new URL(url, 'http://127.0.0.1');
  const json = /^(\/upload)?\/storage\/v1\/b\/([^/]+)\/o(?:\/(.+))?$/.exec(pathname);
  if (json !== null) {
    const [, upload, bucket = '', object] = json;
    const name = object === undefined ? query.get('name') : decodeURIComponent(object);
    const operation = operationOf(method, upload !== undefined, name === null, query);
    return { operation, bucket: decodeURIComponent(bucket), name, query, isSigned: false };
  }
  const [, bucket, object] = /^\/([^/]+)\/(.+)$/.exec(pathname) ?? [];
  if (method !== 'GET' || bucket === undefined || object === undefined)
    throw new StorageError(404, 'Not Found');
  return { operation: 'read', bucket, name: decodeURIComponent(object), query, isSigned: true };
}

function operationOf(
  method: string,
  isUpload: boolean,
  isCollection: boolean,
  query: URLSearchParams,
): Operation {
  if (isUpload && method === 'POST') return 'upload';
  if (method === 'GET') {
    if (isCollection) return 'list';
    return query.get('alt') === 'media' ? 'read' : 'get';
  }
  if (method === 'PATCH') return 'patch';
  if (method === 'DELETE') return 'delete';
  throw new StorageError(404, 'Not Found');
}

interface Call {
  readonly route: Route;
  readonly request: IncomingMessage;
  readonly body: Buffer;
  readonly isTruncated: boolean;
}

function answer(storage: EmulatedStorage, call: Call, response: ServerResponse): void {
  const { bucket, operation, query } = call.route;
  const name = call.route.name ?? '';
  const conditions = {
    ifGenerationMatch: query.get('ifGenerationMatch'),
    ifMetagenerationMatch: query.get('ifMetagenerationMatch'),
  };
  if (operation === 'upload') {
    const { bytes, contentType, resource } = uploadOf(call);
    const object = storage.put(
      bucket,
      name || (resource.name ?? ''),
      { ...resource, bytes, contentType },
      conditions,
    );
    sendJson(response, 200, resourceOf(bucket, name, object));
  } else if (operation === 'list') {
    sendJson(response, 200, listOf(storage, bucket, query));
  } else if (operation === 'get') {
    sendJson(response, 200, resourceOf(bucket, name, storage.get(bucket, name)));
  } else if (operation === 'patch') {
    const { metadata = {} } = JSON.parse(call.body.toString('utf8')) as {
      metadata?: Record<string, string>;
    };
    sendJson(response, 200, resourceOf(bucket, name, storage.patch(bucket, name, metadata)));
  } else if (operation === 'delete') {
    storage.delete(bucket, name, conditions);
    response.writeHead(204).end();
  } else sendBytes(storage.get(bucket, name), call, response);
}

function uploadOf({ body, request, route }: Call) {
  const type = request.headers['content-type'] ?? 'application/octet-stream';
  if (route.query.get('uploadType') === 'multipart') return readMultipart(type, body);
  return { bytes: body, contentType: type, resource: { name: route.name ?? '' } };
}

function listOf(storage: EmulatedStorage, bucket: string, query: URLSearchParams): object {
  const size = Number(query.get('maxResults') ?? DEFAULT_PAGE);
  const after = query.get('pageToken') ?? '';
  const rest = storage
    .names(bucket)
    .filter((name) => name > after && name.startsWith(query.get('prefix') ?? ''));
  const page = rest.slice(0, size);
  return {
    kind: 'storage#objects',
    items: page.map((name) => resourceOf(bucket, name, storage.get(bucket, name))),
    ...(rest.length > size && { nextPageToken: page.at(-1) }),
  };
}

function resourceOf(bucket: string, name: string, object: StoredObject): object {
  return {
    kind: 'storage#object',
    bucket,
    name,
    contentType: object.contentType,
    generation: String(object.generation),
    metageneration: String(object.metageneration),
    size: String(object.bytes.length),
    md5Hash: md5Of(object.bytes),
    metadata: object.metadata,
    timeCreated: object.timeCreated.toISOString(),
  };
}

function sendBytes(
  object: StoredObject,
  { request, route, isTruncated }: Call,
  response: ServerResponse,
): void {
  const all = object.bytes;
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = Number(range?.[1] ?? 0);
  const end = Math.min(all.length, range?.[2] ? Number(range[2]) + 1 : all.length);
  if (range !== null && start >= all.length)
    throw new StorageError(416, 'The requested range cannot be satisfied.');
  const bytes = all.subarray(start, end);
  const disposition = route.query.get('response-content-disposition');
  response.writeHead(range === null ? 200 : 206, {
    'content-type': route.query.get('response-content-type') ?? object.contentType,
    'content-length': bytes.length,
    'x-goog-generation': String(object.generation),
    'x-goog-stored-content-encoding': 'identity',
    ...(range !== null && { 'content-range': `bytes ${start}-${end - 1}/${all.length}` }),
    ...(disposition !== null && { 'content-disposition': disposition }),
  });
  if (!isTruncated) response.end(bytes);
  else response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => response.destroy());
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new StorageError(400, 'The body is too large.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' });
  response.end(JSON.stringify(body));
}
