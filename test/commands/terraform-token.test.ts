/** The token of a command that Terraform runs. Google's token endpoints are replaced at HTTP. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import nock from 'nock';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { terraformToken } from '../../commands/deploy/terraform-token.ts';

const ROBOT = 'deployer@orders-example.iam.gserviceaccount.com';
const USER = {
  type: 'authorized_user',
  client_id: 'id',
  client_secret: 'secret',
  refresh_token: 'refresh-token-of-alice',
};

let folder: string;
beforeAll(() => {
  nock.disableNetConnect();
  folder = mkdtempSync(join(tmpdir(), 'email-monitor-token-'));
});
afterEach(() => {
  nock.cleanAll();
  vi.unstubAllEnvs();
});
afterAll(() => {
  nock.enableNetConnect();
  rmSync(folder, { recursive: true });
});

function keyFile(content: object): string {
  const file = join(folder, `${Object.keys(content).length}.json`);
  writeFileSync(file, JSON.stringify(content));
  return file;
}

/** Google's OAuth endpoint knows one refresh token. */
function acceptRefreshToken(): void {
  nock('https://oauth2.googleapis.com')
    .post(/token$/, /refresh-token-of-alice/)
    .reply(200, { access_token: 'token-of-alice', expires_in: 3_600 });
}

/** Only the holder of this token may act as the robot. */
function allowImpersonation(token: string): void {
  nock('https://iamcredentials.googleapis.com', { reqheaders: { authorization: `Bearer ${token}` } })
    .post(`/v1/projects/-/serviceAccounts/${ROBOT}:generateAccessToken`)
    .reply(200, { accessToken: 'token-of-robot', expireTime: '2099-01-01T00:00:00Z' });
}

describe('the token of Terraform', () => {
  it('is GOOGLE_OAUTH_ACCESS_TOKEN', async () => {
    expect(
      await terraformToken(
        { GOOGLE_OAUTH_ACCESS_TOKEN: 'given', GOOGLE_CREDENTIALS: '{}' },
        'orders-example',
      )(),
    ).toBe('given');
  });

  it.each(['content', 'path'])('comes from GOOGLE_CREDENTIALS, the %s of a key file', async (form) => {
    acceptRefreshToken();
    const value = form === 'path' ? keyFile(USER) : JSON.stringify(USER);
    expect(await terraformToken({ GOOGLE_CREDENTIALS: value }, 'orders-example')()).toBe('token-of-alice');
  });

  it.each(['content', 'path'])('shows nothing of a key file that is not JSON, given as %s', async (form) => {
    const content = '{"private_key": c2VjcmV0}';
    const file = join(folder, 'broken.json');
    writeFileSync(file, content);
    const env = { GOOGLE_CREDENTIALS: form === 'path' ? file : content };
    await expect(terraformToken(env, 'orders-example')()).rejects.toMatchObject({
      message: 'Google gives no access token: the credentials are not valid JSON',
    });
  });

  it('comes from the application default credentials', async () => {
    acceptRefreshToken();
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', keyFile(USER));
    expect(await terraformToken({}, 'orders-example')()).toBe('token-of-alice');
  });

  it('is that of the service account which the application default credentials impersonate', async () => {
    acceptRefreshToken();
    allowImpersonation('token-of-alice');
    const impersonation = {
      type: 'impersonated_service_account',
      source_credentials: USER,
      service_account_impersonation_url: `https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${ROBOT}:generateAccessToken`,
    };
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', keyFile(impersonation));
    expect(await terraformToken({}, 'orders-example')()).toBe('token-of-robot');
  });

  it('is that of GOOGLE_IMPERSONATE_SERVICE_ACCOUNT', async () => {
    allowImpersonation('given');
    const env = { GOOGLE_OAUTH_ACCESS_TOKEN: 'given', GOOGLE_IMPERSONATE_SERVICE_ACCOUNT: ROBOT };
    expect(await terraformToken(env, 'orders-example')()).toBe('token-of-robot');
  });

  it('is missing with a remediation when Google refuses it', async () => {
    nock('https://oauth2.googleapis.com')
      .post(/token$/)
      .reply(400, { error: 'invalid_grant' });
    await expect(
      terraformToken({ GOOGLE_CREDENTIALS: JSON.stringify(USER) }, 'orders-example')(),
    ).rejects.toMatchObject({
      message: expect.stringMatching(/^Google gives no access token: .*invalid_grant/),
      remediation: expect.stringContaining('gcloud auth application-default login'),
    });
  });
});
