/** A fake of the Google APIs for image builds: Cloud Run submits builds, Cloud Build reports them, Artifact Registry lists images. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { ImageBuild } from '../../commands/image/provide-image.ts';

export const TOKEN = 'access-token-of-alice';
export const LOG_URL = 'https://console.cloud.google.com/cloud-build/builds;region=europe-west1/1?project=1';
const BASE_IMAGE = 'europe-west1-docker.pkg.dev/serverless-runtimes/google-24-full/runtimes/nodejs24';

/** As `terraform/build.tf` describes it. */
export const IMAGE_BUILD: ImageBuild = {
  parent: 'projects/orders-example/locations/europe-west1',
  request: {
    storageSource: { bucket: 'orders-example-source', object: 'source-1.zip' },
    imageUri: 'europe-west1-docker.pkg.dev/orders-example/email-monitor/functions:abc',
    serviceAccount: 'projects/orders-example/serviceAccounts/build@orders-example.iam.gserviceaccount.com',
    buildpackBuild: { functionTarget: 'main', baseImage: BASE_IMAGE, enableAutomaticUpdates: true },
  },
};

/** How a build ends. `WORKING`: never. */
export interface End {
  readonly status: string;
  readonly failureInfo?: { readonly type?: string; readonly detail?: string };
}

export interface GoogleBuilds {
  readonly url: string;
  /** The overridden endpoints of the APIs. */
  readonly env: Readonly<Record<string, string>>;
  /** The submitted bodies, in order. */
  readonly submitted: unknown[];
  /** Existing images, as `functions:abc`. */
  readonly images: Set<string>;
  readonly cancelledCount: number;
  /** Refuses the next submissions. */
  refuse(status: number, count: number): void;
  /** The ends of the next builds; the last one repeats. */
  endWith(...ends: readonly End[]): void;
  /** The base image that Cloud Run reports instead of the requested one. */
  reportBaseImage(uri: string): void;
  /** Breaks the connection of the next calls that read a build. */
  drop(count: number): void;
  close(): Promise<void>;
}

export async function startGoogleBuilds(): Promise<GoogleBuilds> {
  const submitted: ImageBuild['request'][] = [];
  const images = new Set<string>();
  const readCounts = new Map<number, number>();
  let ends: readonly End[] = [{ status: 'SUCCESS' }];
  let refusal = { status: 403, count: 0 };
  let baseImageUri: string | null = null;
  let toDrop = 0;
  let cancelledCount = 0;

  const submit = async (request: IncomingMessage): Promise<[number, unknown]> => {
    if (refusal.count > 0) {
      refusal = { ...refusal, count: refusal.count - 1 };
      return [refusal.status, { error: { message: 'Permission run.builds.submit is denied, or not yet.' } }];
    }
    const body = (await json(request)) as ImageBuild['request'];
    submitted.push(body);
    const build = { name: `projects/1/locations/europe-west1/builds/${submitted.length}`, logUrl: LOG_URL };
    return [
      200,
      {
        buildOperation: { name: 'operations/x', metadata: { build } },
        baseImageUri: baseImageUri ?? body.buildpackBuild.baseImage,
      },
    ];
  };
  const readBuild = (number: number): [number, unknown] => {
    if (toDrop > 0) {
      toDrop -= 1;
      throw new Error('dropped');
    }
    const count = (readCounts.get(number) ?? 0) + 1;
    readCounts.set(number, count);
    if (count === 1) return [200, { status: 'QUEUED', logUrl: LOG_URL }];
    const end = ends[Math.min(number, ends.length) - 1] ?? { status: 'SUCCESS' };
    const image = submitted[number - 1]?.imageUri.split('/').at(-1) ?? '';
    if (end.status === 'SUCCESS') images.add(image);
    return [200, { ...end, logUrl: LOG_URL }];
  };
  const answer = async (request: IncomingMessage): Promise<[number, unknown]> => {
    const { method = '', url = '' } = request;
    if (request.headers.authorization !== `Bearer ${TOKEN}`)
      return [401, { error: { message: 'Request had invalid authentication credentials.' } }];
    if (method === 'POST' && url === '/v2/projects/orders-example/locations/europe-west1/builds:submit')
      return await submit(request);
    const build = /^\/v1\/projects\/1\/locations\/europe-west1\/builds\/(\d+)(:cancel)?$/.exec(url);
    if (build?.[2] !== undefined) {
      cancelledCount += 1;
      return [200, {}];
    }
    if (build !== null) return readBuild(Number(build[1]));
    const tag = /^\/v1\/.*\/repositories\/email-monitor\/packages\/([^/]+)\/tags\/([^/]+)$/.exec(url);
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
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    url,
    env: {
      CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN: url,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD: url,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY: url,
    },
    submitted,
    images,
    get cancelledCount() {
      return cancelledCount;
    },
    refuse: (status, count) => {
      refusal = { status, count };
    },
    endWith: (...next) => {
      ends = next;
    },
    reportBaseImage: (uri) => {
      baseImageUri = uri;
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
