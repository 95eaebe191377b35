/** Credentials in files, such as mounted secrets, which can change while an instance runs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { emulatedCredentials } from '../../emulators/gmail/emulated-gmail.ts';
import { mail } from '../helpers/test-emails.ts';
import type { Instance, TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'email-monitor-secrets-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const FILES = {
  GMAIL_CLIENT_ID: 'client-id',
  GMAIL_CLIENT_SECRET: 'client-secret',
  GMAIL_REFRESH_TOKEN: 'refresh-token',
} as const;

function put(values: Partial<Record<keyof typeof FILES, string>>): void {
  for (const [name, value] of Object.entries(values))
    writeFileSync(join(folder, FILES[name as keyof typeof FILES]), value);
}

const THE_RIGHT = {
  GMAIL_CLIENT_ID: emulatedCredentials.clientId,
  GMAIL_CLIENT_SECRET: emulatedCredentials.clientSecret,
  // With the line break that `gcloud secrets versions add` keeps.
  GMAIL_REFRESH_TOKEN: `${emulatedCredentials.refreshToken}\n`,
};

async function deployed(
  values: Parameters<typeof put>[0],
): Promise<{ system: TestSystem; instance: Instance & { fresh(): Instance } }> {
  const system = await createTestSystem();
  await system.turnOn();
  put(values);
  const byFile = Object.entries(FILES).flatMap(([name, file]) => [
    [name, ''],
    [`${name}_FILE`, join(folder, file)],
  ]);
  const fresh = () => system.instance(Object.fromEntries(byFile));
  return { system, instance: { ...fresh(), fresh } };
}

const outcomeOf = async ({ call }: Instance) => {
  const { json } = await call('pollNow');
  return json.code ?? json.outcome;
};

describe('credentials from files', () => {
  it('credentials are read from files without the line break at their end', async () => {
    const { system, instance } = await deployed(THE_RIGHT);
    system.gmail.deliver(mail('An order'));
    expect((await instance.call('pollNow')).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
  });

  it('an empty file leaves the monitor not_configured, and the next call reads the credentials once they are there', async () => {
    const { instance } = await deployed({ ...THE_RIGHT, GMAIL_REFRESH_TOKEN: '\n' });
    expect((await instance.call('status')).json).toMatchObject({ state: 'not_configured' });
    expect((await instance.call('pollNow')).json).toMatchObject({
      code: 'not_configured',
      detail: 'Not set: GMAIL_REFRESH_TOKEN.',
    });
    put(THE_RIGHT);
    expect(await outcomeOf(instance)).toBe('completed');
  });

  it('an unreadable file leaves the monitor not_configured with path and reason until it can be read', async () => {
    const { instance } = await deployed(THE_RIGHT);
    rmSync(join(folder, FILES.GMAIL_CLIENT_SECRET));
    const started = instance.fresh();
    expect((await started.call('status')).json).toMatchObject({
      state: 'not_configured',
      last_error: expect.stringMatching(/GMAIL_CLIENT_SECRET_FILE names .*client-secret.*ENOENT/),
      advice_items: [{ code: 'credentials_unreadable' }],
    });
    expect((await started.call('start')).json).toMatchObject({
      code: 'not_configured',
      detail: expect.stringContaining('ENOENT'),
    });
    put(THE_RIGHT);
    expect(await outcomeOf(started)).toBe('completed');
  });

  it('the next call rereads credentials that Google rejects, so that a new authorization needs no restart', async () => {
    const { system, instance } = await deployed(THE_RIGHT);
    await outcomeOf(instance);
    system.gmail.revokeRefreshToken();
    expect(await outcomeOf(instance)).toBe('reauth_required');
    system.gmail.reauthorize('second-token');
    expect(await outcomeOf(instance)).toBe('reauth_required');
    put({ GMAIL_REFRESH_TOKEN: 'second-token' });
    system.gmail.deliver(mail('A later order'));
    expect((await instance.call('pollNow')).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
    expect((await instance.call('status')).json).toMatchObject({ state: 'watching' });
  });

  it('credentials that work are reread after five minutes, not at each call', async () => {
    const { system, instance } = await deployed(THE_RIGHT);
    await outcomeOf(instance);
    system.gmail.reauthorize('second-token');
    put({ GMAIL_REFRESH_TOKEN: 'second-token' });
    await system.pass(299);
    await outcomeOf(instance);
    expect(rereads(instance)).toHaveLength(0);
    await system.pass(2);
    await outcomeOf(instance);
    expect(rereads(instance)).toHaveLength(1);
  });

  it('credentials that can no longer be read stay in use, with a warning that hides their contents', async () => {
    const { system, instance } = await deployed(THE_RIGHT);
    await outcomeOf(instance);
    rmSync(join(folder, FILES.GMAIL_REFRESH_TOKEN));
    await system.pass(301);
    expect(await outcomeOf(instance)).toBe('completed');
    expect(rereads(instance)).toEqual([
      expect.objectContaining({ severity: 'WARNING', detail: expect.stringContaining('ENOENT') }),
    ]);
    expect(JSON.stringify(instance.log)).not.toContain(emulatedCredentials.refreshToken);
  });
});

/** The log lines about reread credentials. */
function rereads({ log }: Instance): Record<string, unknown>[] {
  return log.filter((line) => line['event'] === 'credentials_read');
}
