/** The image command, and its work with a simulated clock, against a fake of the three Google APIs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GoogleApi } from '../../commands/deploy/google-api.ts';
import type { Time } from '../../commands/deploy/retry-for-seconds.ts';
import { provideImage, RETRY_FOR_SECONDS } from '../../commands/image/provide-image.ts';
import { runToEnd, startCommand } from '../helpers/command-process.ts';
import { type GoogleBuilds, IMAGE_BUILD, LOG_URL, startGoogleBuilds, TOKEN } from './google-builds.ts';

// Some tests start a process.
vi.setConfig({ testTimeout: 30_000 });

let google: GoogleBuilds;
beforeEach(async () => {
  google = await startGoogleBuilds();
});
afterEach(async () => await google.close());

/** A clock that waits by moving on. */
class SimulatedTime implements Time {
  #nowMs = 0;
  nowMs(): number {
    return this.#nowMs;
  }
  async wait(ms: number): Promise<void> {
    this.#nowMs += ms;
  }
}

/** Provides the image within simulated time. */
async function provide() {
  const time = new SimulatedTime();
  const said: string[] = [];
  const { signal } = new AbortController();
  const api = new GoogleApi({
    token: TOKEN,
    env: google.env,
    signal,
    retryForSeconds: RETRY_FOR_SECONDS,
    permissionRemediation: 'Grant the roles.',
    time,
  });
  const error = await provideImage(IMAGE_BUILD, { api, signal, time, say: (text) => said.push(text) }).then(
    () => null,
    (reason: unknown) => reason,
  );
  return { error, said, minutes: time.nowMs() / 60_000 };
}

describe('the image of the functions', () => {
  it('is built once, with the request of Terraform', async () => {
    expect((await provide()).error).toBeNull();
    expect(google.submitted).toEqual([IMAGE_BUILD.request]);
    expect([...google.images]).toEqual(['functions:abc']);
    expect((await provide()).said).toEqual([`The image exists: ${IMAGE_BUILD.request.imageUri}`]);
    expect(google.submitted).toHaveLength(1);
  });

  it('is not built when it exists', async () => {
    google.images.add('functions:abc');
    expect((await provide()).error).toBeNull();
    expect(google.submitted).toEqual([]);
  });

  it.each([403, 404])('is submitted again while a new grant is refused with %i', async (status) => {
    google.refuse(status, 50);
    const { error, minutes } = await provide();
    expect([error, google.submitted.length]).toEqual([null, 1]);
    expect(minutes).toBeGreaterThan(3);
  });

  it.each([403, 404])('fails after ten minutes of %i, with the cause and the roles', async (status) => {
    google.refuse(status, Number.POSITIVE_INFINITY);
    const { error, minutes } = await provide();
    expect(error).toMatchObject({
      message: expect.stringMatching(new RegExp(`^run\\.googleapis\\.com answers ${status} .*or not yet`)),
      remediation: 'Grant the roles.',
    });
    expect(minutes).toBeGreaterThan(9.5);
    expect(minutes).toBeLessThanOrEqual(10);
  });

  it.each([
    { type: 'FETCH_SOURCE_FAILED' },
    { type: 'PUSH_NOT_AUTHORIZED' },
    { detail: 'Error 403: build@orders-example does not have storage.objects.get access' },
    { type: 'USER_BUILD_STEP', detail: 'denied: Permission "uploadArtifacts" denied' },
  ])('is built again when the build account is refused: %o', async (failureInfo) => {
    google.endWith(
      { status: 'FAILURE', failureInfo },
      { status: 'FAILURE', failureInfo },
      { status: 'SUCCESS' },
    );
    expect((await provide()).error).toBeNull();
    expect(google.submitted).toHaveLength(3);
  });

  it('is built again for at most ten minutes', async () => {
    google.endWith({ status: 'FAILURE', failureInfo: { type: 'FETCH_SOURCE_FAILED', detail: 'Error 403' } });
    const { error, minutes } = await provide();
    expect(error).toMatchObject({
      message: 'The build ended with FAILURE: Error 403',
      remediation: `Log: ${LOG_URL}`,
    });
    expect(minutes).toBeGreaterThan(9);
    expect(minutes).toBeLessThanOrEqual(10);
  });

  it.each(['FAILURE', 'INTERNAL_ERROR', 'TIMEOUT', 'CANCELLED', 'EXPIRED'])(
    'fails with the cause, and the address of the log last, when its build ends with %s',
    async (status) => {
      google.endWith({ status, failureInfo: { type: 'USER_BUILD_STEP', detail: 'npm ci exited with 1' } });
      expect((await provide()).error).toMatchObject({
        message: `The build ended with ${status}: npm ci exited with 1`,
        remediation: `Log: ${LOG_URL}`,
      });
      expect([google.submitted.length, google.images.size]).toEqual([1, 0]);
    },
  );

  it('fails when its build has not ended within half an hour', async () => {
    google.endWith({ status: 'WORKING' });
    const { error, minutes } = await provide();
    expect(error).toMatchObject({
      message: 'The build has not ended within 30 minutes. Its status is WORKING.',
      remediation: expect.stringMatching(/Log: \S+$/),
    });
    expect(minutes).toBeLessThan(31);
  });

  it('is built although connections break while the build is read', async () => {
    google.drop(3);
    expect((await provide()).error).toBeNull();
    expect(google.submitted).toHaveLength(1);
  });

  it('fails and cancels the build when Cloud Run takes another base image', async () => {
    google.reportBaseImage(
      'europe-west1-docker.pkg.dev/serverless-runtimes/google-22-full/runtimes/nodejs22',
    );
    const { error } = await provide();
    expect(error).toMatchObject({
      message: expect.stringMatching(
        /google-22-full\/runtimes\/nodejs22, but .*google-24-full\/runtimes\/nodejs24$/,
      ),
      remediation: expect.stringMatching(/base_image.*Log: \S+$/),
    });
    expect(google.cancelledCount).toBe(1);
  });

  it('accepts the copy of the base image in another region', async () => {
    google.reportBaseImage('us-central1-docker.pkg.dev/serverless-runtimes/google-24-full/runtimes/nodejs24');
    expect((await provide()).error).toBeNull();
  });
});

describe('npm run image', () => {
  const env = (token = TOKEN) => ({
    ...google.env,
    IMAGE_BUILD: JSON.stringify(IMAGE_BUILD),
    GOOGLE_OAUTH_ACCESS_TOKEN: token,
  });

  it('builds the image with the token of Terraform, and does not print the token', async () => {
    const { code, output } = await runToEnd('image', [], env());
    expect([code, output]).toEqual([0, expect.stringContaining(`Built ${IMAGE_BUILD.request.imageUri}`)]);
    expect(google.submitted).toEqual([IMAGE_BUILD.request]);
    expect(output).not.toContain(TOKEN);
  });

  it('prints the cause and then the address of the log as the last line when the build fails', async () => {
    google.endWith({ status: 'FAILURE', failureInfo: { detail: 'npm ci exited with 1' } });
    const { code, output } = await runToEnd('image', [], env());
    expect(code).toBe(1);
    expect(output.trimEnd().split('\n').slice(-2)).toEqual([
      'The build ended with FAILURE: npm ci exited with 1',
      `Log: ${LOG_URL}`,
    ]);
  });

  it('fails at once when Google rejects the token, and does not print it', async () => {
    const { code, output } = await runToEnd('image', [], env('another-token'));
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/answers 401 .*invalid authen[\s\S]*run\.sourceDeveloper/),
    ]);
    expect(output).not.toContain('another-token');
  });

  it('sends no token to an endpoint without https on another machine', async () => {
    const { code, output } = await runToEnd('image', [], {
      ...env(),
      CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY: 'http://example.com/',
    });
    expect([code, output]).toEqual([1, expect.stringContaining('http://example.com is not https')]);
  });

  it('says that it retries a refusal, and ends at Ctrl-C', async () => {
    google.refuse(403, Number.POSITIVE_INFINITY);
    const command = startCommand('image', [], env());
    await command.printed(/answers 403 .*or not yet\. Retrying for up to 10 minutes\./);
    command.signal('SIGINT');
    expect(await command.ended()).toBe(130);
    expect(command.output).toContain('Interrupted.');
  });

  it.each([
    ['is not set', undefined],
    ['is not JSON', '{'],
    ['describes no build', '{"parent":"projects/p/locations/l"}'],
  ])('names terraform apply when IMAGE_BUILD %s', async (_case, text) => {
    const { code, output } = await runToEnd('image', [], { IMAGE_BUILD: text });
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/^IMAGE_BUILD .*`terraform apply`.*\n.*npm run image -- --help/),
    ]);
  });

  it('names the login when there are no credentials', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'email-monitor-image-'));
    const key = join(folder, 'key.json');
    writeFileSync(key, '{}');
    try {
      const { code, output } = await runToEnd('image', [], {
        ...google.env,
        IMAGE_BUILD: JSON.stringify(IMAGE_BUILD),
        GOOGLE_APPLICATION_CREDENTIALS: key,
      });
      expect([code, output]).toEqual([
        1,
        expect.stringMatching(/gives no access token[\s\S]*gcloud auth application-default login/),
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
