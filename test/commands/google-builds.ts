/** A fake of the Google APIs for image builds: Cloud Run submits builds, Cloud Build reports them, Artifact Registry lists images. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export interface GoogleBuilds {
  readonly url: string;
  /** The submitted bodies, in order. */
  readonly submitted: { readonly imageUri: string }[];
  /** Existing images, as `poll:abc`. */
  readonly images: Set<string>;
  /** The final status of builds from now on. */
  endWith(status: string): void;
  /** Breaks the connection of the next calls that read a build. */
  drop(count: number): void;
  close(): Promise<void>;
}

export async function startGoogleBuilds(token: string): Promise<GoogleBuilds> {
  const submitted: { imageUri: string }[] = [];
  const images = new Set<string>();
  const readCounts = new Map<string, number>();
  let end = 'SUCCESS';
  let toDrop = 0;
  const answer = async (request: IncomingMessage): Promise<[number, unknown]> => {
    const { method = '', url = '' } = request;
    if (request.headers.authorization !== `Bearer ${token}`)
      return [401, { error: { message: 'Request had invalid authentication credentials.' } }];
    if (
      method === 'POST' &&
      url.endsWith('/v2/projects/orders-example/locations/europe-west1/builds:submit')
    ) {
      const body = (await json(request)) as { imageUri: string };
      submitted.push(body);
      const name = `projects/1/locations/europe-west1/builds/${submitted.length}`;
      return [200, { buildOperation: { name: 'operations/x', metadata: { build: { name } } } }];
    }
    const build = /^\/v1\/projects\/1\/locations\/europe-west1\/builds\/(\d+)$/.exec(url)?.[1];
    if (build !== undefined && toDrop > 0) {
      toDrop -= 1;
      throw new Error('dropped');
    }
    if (build !== undefined) {
      const count = (readCounts.get(build) ?? 0) + 1;
      readCounts.set(build, count);
      if (count === 1) return [200, { status: 'WORKING' }];
      const tag = submitted[Number(build) - 1]?.imageUri.split('/').at(-1) ?? '';
      if (end === 'SUCCESS') images.add(tag);
      return [
        200,
        { status: end, logUrl: 'https://console.example/log', failureInfo: { detail: 'npm ERR' } },
      ];
    }
    const tag = /\/repositories\/email-monitor\/packages\/([^/]+)\/tags\/([^/]+)$/.exec(url);
    if (tag !== null && images.has(`${tag[1]}:${tag[2]}`)) return [200, { name: url.slice(4) }];
    return [404, { error: { message: `Nothing at ${url}` } }];
  };
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    answer(request).then(
      ([status, body]) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
      () => response.destroy(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    submitted,
    images,
    endWith: (status) => {
      end = status;
    },
    drop: (count) => {
      toDrop = count;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
