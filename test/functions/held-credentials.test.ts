/** `status` without credentials: the functions that hold them record in the database which ones they hold. */
import { describe, expect, it } from 'vitest';
import type { Instance, TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();

const NONE = { GMAIL_CLIENT_ID: '', GMAIL_CLIENT_SECRET: '', GMAIL_REFRESH_TOKEN: '' };
const HELD_ELSEWHERE = { ...NONE, GMAIL_CREDENTIALS: 'held_elsewhere' };
const NEW_TOKEN = { GMAIL_REFRESH_TOKEN: '1//new-token' };

async function deployed(): Promise<{ system: TestSystem; keyless: Instance }> {
  const system = await createTestSystem();
  return { system, keyless: system.instance(HELD_ELSEWHERE) };
}

const statusOf = async ({ call }: Instance) => (await call('status')).json;

describe('the status of a function whose credentials are held elsewhere', () => {
  it('is not_configured before any function has run, and the advice names start and authorize', async () => {
    const { keyless } = await deployed();
    const status = await statusOf(keyless);
    expect(status).toMatchObject({ state: 'not_configured', mailboxes: [], last_error: null });
    expect(status.advice).toEqual([expect.stringMatching(/POST start.*npm run authorize/)]);
  });

  it('equals the status with credentials once poll has run', async () => {
    const { system, keyless } = await deployed();
    await system.turnOn();
    await system.call('poll');
    const status = await statusOf(keyless);
    expect(status).toMatchObject({ state: 'watching', mailboxes: [{ is_current: true }], advice: [] });
    expect(status).toEqual(await statusOf(system));
  });

  it('equals the status with credentials once start has been called, before the first run', async () => {
    const { system, keyless } = await deployed();
    await system.call('start');
    const status = await statusOf(keyless);
    expect(status).toMatchObject({ state: 'starting', is_running: true });
    expect(status).toEqual(await statusOf(system));
  });

  it('follows new credentials of the same account, and keeps the mailbox current', async () => {
    const { system, keyless } = await deployed();
    await system.turnOn();
    await system.call('poll');
    system.gmail.reauthorize(NEW_TOKEN.GMAIL_REFRESH_TOKEN);
    await system.instance(NEW_TOKEN).call('poll');
    expect(await statusOf(keyless)).toMatchObject({ state: 'watching', mailboxes: [{ is_current: true }] });
    expect(await statusOf(keyless)).toEqual(await statusOf(system.instance(NEW_TOKEN)));
  });

  it('shows that Gmail refuses new credentials, and that the mailbox belongs to other ones', async () => {
    const { system, keyless } = await deployed();
    await system.turnOn();
    await system.call('poll');
    await system.instance(NEW_TOKEN).call('poll');
    expect(await statusOf(keyless)).toMatchObject({
      state: 'reauth_required',
      mailboxes: [{ is_current: false, state: 'not_configured' }],
      advice_items: [{ code: 'reauth_required', action: 'authorize' }],
    });
    await system.call('poll');
    expect(await statusOf(keyless)).toMatchObject({ state: 'watching', mailboxes: [{ is_current: true }] });
  });

  it.each(['poll', 'stop'] as const)(
    'is not_configured after %s found the credentials removed',
    async (target) => {
      const { system, keyless } = await deployed();
      await system.turnOn();
      await system.call('poll');
      await system.instance(NONE).call(target);
      expect(await statusOf(keyless)).toMatchObject({
        state: 'not_configured',
        mailboxes: [{ is_current: false, state: 'not_configured' }],
      });
    },
  );
});

it('a function whose credentials are held elsewhere neither starts the monitor nor records that there are none', async () => {
  const { system, keyless } = await deployed();
  await system.turnOn();
  await system.call('poll');
  expect((await keyless.call('start')).json).toMatchObject({ status: 409, code: 'not_configured' });
  expect((await keyless.call('poll')).json).toMatchObject({ outcome: 'not_configured' });
  await keyless.call('stop');
  expect(await statusOf(keyless)).toMatchObject({ state: 'stopped', mailboxes: [{ is_current: true }] });
});
