/** The authorization of requests to Secret Manager and IAM Credentials, with a metadata server that issues access tokens. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const URL_OF_GOOGLE = 'https://iamcredentials.googleapis.com/';

let requests: string[];
let status: number;
const metadata = createServer((request, response) => {
  requests.push(request.url ?? '');
  response.writeHead(status, { 'metadata-flavor': 'Google', 'content-type': 'application/json' });
  response.end(JSON.stringify({ access_token: 'ya29.own', expires_in: 3_599, token_type: 'Bearer' }));
});

beforeEach(async () => {
  requests = [];
  status = 200;
  metadata.listen(0, '127.0.0.1');
  await once(metadata, 'listening');
  // Each test has its own copy of the module, which caches the token.
  vi.resetModules();
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '');
  vi.stubEnv('CLOUDSDK_CONFIG', '/nonexistent');
  vi.stubEnv('HOME', '/nonexistent');
  vi.stubEnv('GCE_METADATA_HOST', `127.0.0.1:${(metadata.address() as AddressInfo).port}`);
  vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
});
afterEach(() => {
  metadata.close();
  metadata.closeAllConnections();
});

const load = async () => await import('../../shared/gmail/google-request.ts');

describe('the authorization of this process', () => {
  it('is the token of its service account, fetched once', async () => {
    const { ownAuthorization } = await load();
    for (let call = 0; call < 2; call += 1)
      expect(await ownAuthorization(URL_OF_GOOGLE)).toEqual({ authorization: 'Bearer ya29.own' });
    expect(requests.filter((url) => url.includes('/token'))).toEqual([
      expect.stringContaining('auth%2Fcloud-platform'),
    ]);
  });

  it('is never sent over plain HTTP', async () => {
    const { ownAuthorization } = await load();
    expect(await ownAuthorization('http://127.0.0.1:1/')).toEqual({});
    expect(requests).toEqual([]);
  });

  it('is missing on a machine without Google credentials', async () => {
    vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
    const { ownAuthorization } = await load();
    const error = await ownAuthorization(URL_OF_GOOGLE).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'google_credentials_missing' });
  });

  it('is unavailable while the metadata server rejects the request', async () => {
    status = 404;
    const { ownAuthorization } = await load();
    const error = await ownAuthorization(URL_OF_GOOGLE).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'gmail_unavailable', message: 'Google credentials: 404.' });
  });
});
