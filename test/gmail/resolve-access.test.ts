import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FAULTS, type GoogleFault } from '../../emulators/google-faults.ts';
import {
  type EmulatedSecretManager,
  startSecretManager,
} from '../../emulators/secret-manager/secret-manager.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import {
  type AccessConfig,
  type AccessSettings,
  onAccessRejected,
  resolveAccess,
} from '../../shared/gmail/resolve-access.ts';
import { errorOf } from './client-fixture.ts';

const SECRET = JSON.stringify({
  client_id: 'hush-client-id',
  client_secret: 'hush-client-secret',
  refresh_token: 'hush-refresh-token',
});
const CREDENTIALS = {
  clientId: 'hush-client-id',
  clientSecret: 'hush-client-secret',
  refreshToken: 'hush-refresh-token',
};
const STORE = 'projects/orders-example/secrets/orders-mailbox_';
const PATH = `${STORE}-ann-1`;
const ANN: AccessSettings = { emailAddress: 'ann@example.com', access: 'refresh_token', secretName: 'ann-1' };
const DELEGATED: AccessSettings = { ...ANN, access: 'delegation', secretName: null };

let secrets: EmulatedSecretManager;
let config: AccessConfig;
let now: number;
const clock = () => now;

beforeEach(async () => {
  secrets = await startSecretManager();
  secrets.secrets.set(PATH, SECRET);
  now = 0;
  config = {
    gmail: null,
    missingCredentials: ['GMAIL_REFRESH_TOKEN'],
    mailboxSecrets: STORE,
    secretManagerApiRootUrl: secrets.rootUrl,
    delegationServiceAccount: null,
  };
});
afterEach(() => secrets.close());

const resolve = async (settings = ANN) => await resolveAccess(config, settings, clock);

describe('the access of a mailbox with a secret', () => {
  it('is its refresh token, read once for concurrent calls and kept for an hour', async () => {
    const [access] = await Promise.all([resolve(), resolve()]);
    expect(access).toEqual({ kind: 'refresh_token', credentials: CREDENTIALS });
    now = 3_599_999;
    expect(await resolve()).toBe(access);
    expect(secrets.callCount).toBe(1);
    now = 3_600_000;
    expect(await resolve()).toBe(access);
    expect(secrets.callCount).toBe(2);
  });

  it('is reread when Google rejected it, and is another object only when the secret has changed', async () => {
    const access = await resolve();
    onAccessRejected(config, ANN);
    expect(await resolve()).toBe(access);
    secrets.secrets.set(PATH, SECRET.replace('hush-refresh-token', 'hush-new'));
    onAccessRejected(config, ANN);
    expect(await resolve()).toMatchObject({ credentials: { refreshToken: 'hush-new' } });
    expect(secrets.callCount).toBe(3);
  });

  it('stays in use while Secret Manager does not answer, but not when the secret is gone', async () => {
    const access = await resolve();
    secrets.fault = FAULTS.unavailable;
    now = 3_600_000;
    expect(await resolve()).toBe(access);
    secrets.fault = null;
    secrets.secrets.clear();
    now = 7_200_000;
    expect(await errorOf(resolve())).toMatchObject({ code: 'mailbox_secret_missing' });
  });

  it('is read again after a failure', async () => {
    secrets.fault = FAULTS.denied;
    await errorOf(resolve());
    secrets.fault = null;
    expect(await resolve()).toMatchObject({ credentials: CREDENTIALS });
  });

  it.each<[string, GoogleFault, ErrorCode]>([
    ['denies', FAULTS.denied, 'mailbox_secret_unreadable'],
    ['is disabled', FAULTS.apiDisabled, 'mailbox_secret_unreadable'],
    ['is unavailable', FAULTS.unavailable, 'gmail_unavailable'],
    ['breaks the connection', 'reset', 'gmail_unavailable'],
    ['rejects the caller', { code: 401, status: 'UNAUTHENTICATED' }, 'google_credentials_missing'],
  ])('that Secret Manager %s causes an error that names the secret', async (_, fault, code) => {
    secrets.fault = fault;
    expect(await errorOf(resolve())).toMatchObject({ code, message: expect.stringContaining(PATH) });
  });

  it.each<[string, string | null, ErrorCode, string]>([
    ['is disabled', null, 'mailbox_secret_unreadable', '400 FAILED_PRECONDITION'],
    ['is no JSON', 'hush', 'mailbox_secret_unreadable', 'is not a JSON object'],
    [
      'lacks a field',
      '{"client_id":"hush","client_secret":"hush"}',
      'mailbox_secret_unreadable',
      '"refresh_token"',
    ],
    ['has an empty field', SECRET.replace('hush-client-id', ' '), 'mailbox_secret_unreadable', '"client_id"'],
  ])('whose version %s causes an error without its content', async (_, content, code, text) => {
    secrets.secrets.set(PATH, content);
    expect(await errorOf(resolve())).toMatchObject({ code, message: expect.stringContaining(text) });
  });

  it('is missing without GMAIL_MAILBOX_SECRETS and without the secret', async () => {
    expect(await errorOf(resolve({ ...ANN, secretName: 'bob-2' }))).toMatchObject({
      code: 'mailbox_secret_missing',
      message: `${STORE}-bob-2: 404 NOT_FOUND.`,
    });
    config = { ...config, mailboxSecrets: null };
    expect(await errorOf(resolve())).toMatchObject({
      code: 'mailbox_secret_missing',
      message: 'GMAIL_MAILBOX_SECRETS is not set.',
    });
  });
});

describe('the access of a mailbox with a file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mailbox-secrets-'));
    config = { ...config, mailboxSecrets: folder };
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is the content of the file with the name of the secret', async () => {
    expect(await errorOf(resolve())).toMatchObject({
      code: 'mailbox_secret_missing',
      message: `${join(folder, 'ann-1.json')} does not exist.`,
    });
    writeFileSync(join(folder, 'ann-1.json'), `${SECRET}\n`);
    expect(await resolve()).toMatchObject({ credentials: CREDENTIALS });
    expect(secrets.callCount).toBe(0);
  });

  it('cannot be read when its file is a folder', async () => {
    mkdirSync(join(folder, 'ann-1.json'));
    expect(await errorOf(resolve())).toMatchObject({
      code: 'mailbox_secret_unreadable',
      message: expect.stringContaining('EISDIR'),
    });
  });
});

describe('the access by delegation', () => {
  it('is the service account and the address, the same object until one changes', async () => {
    config = { ...config, delegationServiceAccount: 'reader@example.iam.gserviceaccount.com' };
    const access = await resolve(DELEGATED);
    expect(access).toEqual({
      kind: 'delegation',
      serviceAccount: 'reader@example.iam.gserviceaccount.com',
      subject: 'ann@example.com',
    });
    now = 900_000;
    expect(await resolve(DELEGATED)).toBe(access);
    config = { ...config, delegationServiceAccount: 'other@example.iam.gserviceaccount.com' };
    expect(await resolve(DELEGATED)).not.toEqual(access);
  });

  it('is not configured without a service account', async () => {
    expect(await errorOf(resolve(DELEGATED))).toMatchObject({ code: 'delegation_not_configured' });
  });
});

describe('the access of the first mailbox', () => {
  it('is that of the environment, and is not configured without it', async () => {
    const first: AccessSettings = { ...ANN, access: 'environment', secretName: null };
    expect(await errorOf(resolve(first))).toMatchObject({
      code: 'not_configured',
      message: 'Not set: GMAIL_REFRESH_TOKEN.',
    });
    config = { ...config, gmail: CREDENTIALS };
    expect(await resolve(first)).toEqual({ kind: 'refresh_token', credentials: CREDENTIALS });
  });
});
