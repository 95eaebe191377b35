import type { Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  chromiumPath,
  createFixture,
  type Fixture,
  refresh,
  seriousViolations,
  titleOrSkipReason,
} from './console-fixture.ts';
import { reconciliation } from './overview-fixture.ts';

const MAILBOX_COUNT = 230;

async function isInView(box: Locator): Promise<boolean> {
  const { height = 0, y = -1 } = (await box.boundingBox()) ?? {};
  return y >= 0 && y + height <= (box.page().viewportSize()?.height ?? 0);
}

describe.skipIf(chromiumPath === null)(titleOrSkipReason('the section of mailboxes'), () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await createFixture();
    await fixture.call('start');
    await fixture.call('poll-now');
    await fixture.call('stop');
    await fixture.db.query(`update email_monitor_status set is_running = true`);
  });
  beforeEach(async () => {
    await fixture.db.query('delete from mailbox_settings');
  });
  afterEach(async () => await fixture.closePages());
  afterAll(async () => await fixture.close());

  /** Added mailboxes that Gmail has not answered for; every tenth is locked out. */
  const addMany = async () =>
    await fixture.db.query(
      `insert into mailbox_settings (email_address, access, failure_count, next_attempt_at, last_error_code, last_error)
       select 'branch' || lpad(n::text, 3, '0') || '@example.com', 'delegation', (n % 10 = 0)::integer, now() + interval '1 day',
              case when n % 10 = 0 then 'reauth_required' end, case when n % 10 = 0 then 'users.getProfile: invalid_grant.' end
       from generate_series(1, $1::integer) n`,
      [MAILBOX_COUNT],
    );

  it('with one mailbox, the page shows no list, and the form adds a second one and says the next command', async () => {
    const { page, violations } = await fixture.open();
    expect(await page.locator('#mailboxes-body').isHidden()).toBe(true);
    await page.locator('#mailbox-add-toggle').focus();
    await page.keyboard.press('Enter');
    await page.keyboard.type('sales@example.com');
    await page.keyboard.press('Enter');
    await page
      .locator('#mailbox-next', { hasText: 'npm run authorize -- --mailbox sales@example.com' })
      .waitFor();
    await page.locator('#mailbox-list li', { hasText: 'sales@example.com' }).waitFor();
    expect(await page.locator('#mailbox').textContent()).toBe('2 mailboxes');
    expect(violations).toEqual([]);
  });

  it('the row of a paused mailbox has its error, but does not promise that the call is tried again', async () => {
    await fixture.db.query(
      `insert into mailbox_settings (email_address, access, is_paused, failure_count, last_error_code, last_error)
       values ('paused@example.com', 'delegation', true, 1, 'gmail_unavailable', 'users.getProfile: 503.')`,
    );
    const { page } = await fixture.open();
    const row = page.locator('#mailbox-list li', { hasText: 'paused@example.com' });
    await row.getByText('users.getProfile: 503.').waitFor();
    expect(await row.innerText()).not.toContain('Nothing to do');
  });

  it('the row of a paused mailbox has the remediation of its error when it says what to do', async () => {
    await fixture.db.query(
      `insert into mailbox_settings (email_address, access, is_paused, failure_count, last_error_code, last_error)
       values ('limited@example.com', 'delegation', true, 1, 'gmail_daily_limit', 'users.getProfile: 403.')`,
    );
    const { page } = await fixture.open();
    const row = page.locator('#mailbox-list li', { hasText: 'limited@example.com' });
    await row.locator('.remediation', { hasText: 'quota' }).waitFor();
  });

  it('the result of a poll names the mailboxes that failed', async () => {
    const { page } = await fixture.open();
    const none = { new_emails: 0, discovered: 0, gone: 0, ignored: 0, failed: 0, dead: 0, quota_units: 2 };
    await page.route('**/poll-now', async (route) => {
      await route.fulfill({ json: { outcome: 'completed', ...none, mailboxes: 3, failed_mailboxes: 1 } });
    });
    await page.locator('#poll-now').click();
    await page.locator('#result', { hasText: 'Nothing new, 1 of 3 mailboxes failed.' }).waitFor();
  });

  it('the button of the check begins where the texts begin, also without a sentence before it', async () => {
    await addMany();
    const { page } = await fixture.open();
    await page.locator('#mailbox', { hasText: '231 mailboxes' }).waitFor();
    expect(await page.locator('#reconciliation').textContent()).toBe('');
    const leftOf = async (id: string) =>
      await page.locator(id).evaluate((one) => one.getBoundingClientRect().left);
    expect(await leftOf('#check-now')).toBe(await leftOf('#completeness'));
  });

  it('the heading says that the only mailbox is paused, and Resume is on the page', async () => {
    await fixture.db.query(
      `insert into mailbox_settings (email_address, mailbox_id, access, is_paused)
       select email_address, id, 'environment', true from mailboxes`,
    );
    const { page } = await fixture.open();
    await page.locator('#state-label', { hasText: /^Paused$/ }).waitFor();
    expect(await page.locator('#state-reason').textContent()).toMatch(
      /^orders@example\.com is paused\..* Resume fetches all of it\.$/,
    );
    expect(await page.locator('#advice').textContent()).not.toContain('orders@example.com is paused');
    await page.getByRole('button', { name: 'Poll now', exact: true }).click();
    await page.locator('#result', { hasText: 'all mailboxes are paused' }).waitFor();
    await page.getByRole('button', { name: 'Resume orders@example.com' }).click();
    await page.locator('#state-label', { hasText: /^(Catching up|Watching)$/ }).waitFor();
  });

  it('heading, summary and row agree about a mailbox that was never compared with Gmail', async () => {
    const { page } = await fixture.open();
    await page.route('**/api/console/overview', async (route) => {
      const headers = { ...route.request().headers(), 'sec-fetch-site': 'same-origin' };
      const { status, ...rest } = await (await route.fetch({ headers })).json();
      const checked = { ...status.mailboxes[0], state: 'watching', reconciliation: reconciliation() };
      const added = { ...checked, email_address: 'sales@example.com', reconciliation: null };
      const totals = { ...status.totals, states: { watching: 2 }, unreconciled_count: 1 };
      const several = { state: 'watching', mailbox_count: 2, totals, mailboxes: [checked, added] };
      await route.fulfill({ json: { ...rest, status: { ...status, ...several } } });
    });
    await refresh(page);
    await page.locator('#state-label', { hasText: /^1 of 2 mailboxes is not checked yet$/ }).waitFor();
    expect(await page.locator('#state-reason').textContent()).toBe(
      'Of 2 mailboxes, 2 have nothing waiting. Whether mail is missing is not known yet for 1 of them.',
    );
    const rows = page.locator('#mailbox-list .mailbox-state');
    await rows.nth(1).waitFor();
    expect(await rows.allTextContents()).toEqual(['Watching', 'Not checked yet']);
    expect(await rows.nth(1).getAttribute('data-tone')).toBe('active');
  });

  describe('"Check now" while a mailbox is locked out', () => {
    const LAST_ERROR = {
      code: 'reauth_required',
      detail: 'OAuth token: 400 invalid_grant.',
      remediation: 'Run `npm run authorize -- --mailbox sales@example.com`.',
    };
    const FAILED = { title: 'Gmail rejected the refresh token', detail: 'OAuth.', code: 'reauth_required' };

    /** Three mailboxes, of which these are locked out. The others have a full check from the second `poll-now` on. */
    const openWith = async (locked: readonly string[], options?: Parameters<Fixture['open']>[0]) => {
      const { page, violations } = await fixture.open(options);
      let posts = 0;
      await page.route('**/poll-now?reconcile=all', async (route) => {
        posts += 1;
        const isAll = locked.length === 3;
        await route.fulfill(isAll ? { status: 409, json: FAILED } : { json: { outcome: 'completed' } });
      });
      await page.route('**/api/console/overview', async (route) => {
        const headers = { ...route.request().headers(), 'sec-fetch-site': 'same-origin' };
        const { status, ...rest } = await (await route.fetch({ headers })).json();
        const full = reconciliation({ gmail_count: 7 });
        const mailboxes = ['sales@example.com', 'office@example.com', 'orders@example.com'].map(
          (address) => ({
            ...status.mailboxes[0],
            email_address: address,
            ...(locked.includes(address)
              ? { state: 'reauth_required', last_error: LAST_ERROR }
              : { state: 'watching', reconciliation: { ...full, full: posts > 1 ? full : null } }),
          }),
        );
        const states = { reauth_required: locked.length, watching: 3 - locked.length };
        const totals = { ...status.totals, states };
        await route.fulfill({
          json: {
            ...rest,
            status: {
              ...status,
              is_running: true,
              state: 'reauth_required',
              mailbox_count: 3,
              totals,
              mailboxes,
            },
          },
        });
      });
      await refresh(page);
      await page.locator('#mailbox', { hasText: '3 mailboxes' }).waitFor();
      await page.locator('#check-now').click();
      return { page, violations, error: page.locator('#errors .error') };
    };

    it('names it, the reason and its command, and gives the result of the others', async () => {
      const { error, page, violations } = await openWith(['sales@example.com']);
      await error.filter({ hasText: 'Check now: sales@example.com cannot be checked' }).waitFor();
      expect((await error.innerText()).replaceAll(/\s+/g, ' ')).toBe(
        'Check now: sales@example.com cannot be checked while it is locked out ' +
          'OAuth token: 400 invalid_grant. Other mailboxes: The check has begun. A later run ends it, and its result appears here. ' +
          'Run npm run authorize -- --mailbox sales@example.com. Dismiss',
      );
      await page.locator('#check-now').click();
      await error.filter({ hasText: 'Checked 2 of 3 mailboxes: Gmail lists 14 messages' }).waitFor();
      expect(violations).toEqual([]);
    });

    it('counts several, and refers to the list of mailboxes', async () => {
      const { error } = await openWith(['sales@example.com', 'office@example.com', 'orders@example.com']);
      await error.filter({ hasText: 'Check now: 3 mailboxes cannot be checked' }).waitFor();
      expect((await error.innerText()).replaceAll(/\s+/g, ' ')).toBe(
        'Check now: 3 mailboxes cannot be checked while they are locked out ' +
          'sales@example.com, office@example.com, orders@example.com. ' +
          'The list of mailboxes on this page says what to do for each. Dismiss',
      );
    });

    it('adds the results of all mailboxes when none is locked out', async () => {
      const { page } = await openWith([]);
      await page.locator('#result', { hasText: 'The check has begun.' }).waitFor();
      await page.locator('#check-now').click();
      await page
        .locator('#result', {
          hasText: /^Checked 3 mailboxes: Gmail lists 21 messages since the first start\. None is missing\.$/,
        })
        .waitFor();
    });
  });

  it('the worst 100 are shown first, More shows the others, and the filter finds an address on any page', async () => {
    await addMany();
    const { page } = await fixture.open();
    await page.locator('#state-label', { hasText: '23 of 231 mailboxes are locked out' }).waitFor();
    await page.locator('#mailbox-list li').nth(99).waitFor();
    expect(await page.locator('#mailbox-list li').count()).toBe(100);
    expect(await page.locator('#mailbox-list li').first().textContent()).toContain('Locked out');
    expect(await page.locator('#mailbox-count').textContent()).toBe('The worst 100 of 231 mailboxes');
    await page.locator('#mailboxes-more', { hasText: 'Show more (131 left)' }).click();
    await page.locator('#mailbox-list li').nth(199).waitFor();
    await page.locator('#mailbox-filter').fill('branch007');
    await page.locator('#mailbox-count', { hasText: '1 mailbox, the worst first' }).waitFor();
    expect(await page.locator('#mailbox-list .subject').allTextContents()).toEqual(['branch007@example.com']);
  });

  it('the emails of a mailbox are listed by its button', async () => {
    await addMany();
    const { page } = await fixture.open();
    await page.locator('#mailbox-filter').fill('orders@');
    await page.getByRole('button', { name: 'Show the emails of orders@example.com' }).click();
    await page.locator('#active-filters', { hasText: 'orders@example.com' }).waitFor();
    expect(await page.evaluate('document.activeElement.id')).toBe('emails-title');
  });

  it('an address that was added before is an error below the form, spoken, which keeps what was typed', async () => {
    await addMany();
    const { page, violations } = await fixture.open();
    await page.locator('#mailbox-list li').nth(99).waitFor();
    await page.locator('#mailbox-add-toggle').click();
    await page.locator('#mailbox-label').fill('Orders');
    await page.locator('#mailbox-address').fill('branch007@example.com');
    await page.keyboard.press('Enter');
    const error = page.locator('#mailbox-errors .error');
    await error.filter({ hasText: 'branch007@example.com was added before' }).waitFor();
    expect(await error.innerText()).not.toMatch(/Bad request|Correct the request/);
    expect(await page.locator('#announcement').textContent()).toMatch(/^Add: .*was added before/);
    expect(await page.locator('#errors').textContent()).toBe('');
    expect(await isInView(error)).toBe(true);
    expect(await page.evaluate('document.activeElement.id')).toBe('mailbox-address');
    expect(await page.locator('#mailbox-address').inputValue()).toBe('branch007@example.com');
    expect(await page.locator('#mailbox-label').inputValue()).toBe('Orders');
    await page.locator('#mailbox-address').fill('sales@example.com');
    await page.keyboard.press('Enter');
    await page.locator('#mailbox-next', { hasText: 'sales@example.com is added.' }).waitFor();
    expect(await error.count()).toBe(0);
    expect(violations).toEqual([]);
  });

  it('a failed change of a mailbox is an error in its row, which stays when the row changes, until the next try', async () => {
    await addMany();
    const { page } = await fixture.open({ viewport: { width: 360, height: 800 } });
    await page.route('**/api/console/mailboxes/pause', async (route) => await route.abort(), { times: 1 });
    await page.getByRole('button', { name: 'Pause branch007@example.com' }).click();
    const row = page.locator('#mailbox-list li', { hasText: 'branch007@example.com' });
    const error = row.locator('.error', { hasText: 'Pause: The server is not responding' });
    await error.waitFor();
    expect(await isInView(error)).toBe(true);
    expect(await page.locator('#announcement').textContent()).toMatch(/^Pause: The server is not responding/);
    await fixture.db.query(
      `update mailbox_settings set failure_count = 1, next_attempt_at = now() + interval '1 day', last_error_code = 'reauth_required', last_error = 'users.getProfile: invalid_grant.'
       where email_address = 'branch007@example.com'`,
    );
    await refresh(page);
    await row.filter({ hasText: 'Locked out' }).waitFor();
    expect(await error.count()).toBe(1);
    await page.getByRole('button', { name: 'Pause branch007@example.com' }).click();
    await page.locator('#mailbox-next', { hasText: 'branch007@example.com is paused.' }).waitFor();
    expect(await page.locator('.error').count()).toBe(0);
  });

  it('the question before a removal shows a long address in full on a small screen', async () => {
    const address = 'purchase.orders.of.the.northern.branch@subsidiary.example.com';
    await fixture.db.query(`insert into mailbox_settings (email_address, access) values ($1, 'delegation')`, [
      address,
    ]);
    const { page } = await fixture.open({ viewport: { width: 360, height: 800 } });
    await page.getByRole('button', { name: `Remove ${address}` }).click();
    const isCut = await page
      .locator('#remove-title')
      .evaluate((title) => title.scrollWidth > title.clientWidth);
    expect(isCut).toBe(false);
  });

  it('the error of a mailbox that another operator has removed stays when its row is gone', async () => {
    await addMany();
    const { page } = await fixture.open();
    const remove = `delete from mailbox_settings where email_address = 'branch060@example.com'`;
    await page.route('**/api/console/mailboxes/pause', async (route) => {
      await fixture.db.query(remove);
      await route.continue();
    });
    await page.getByRole('button', { name: 'Pause branch060@example.com' }).click();
    await page.locator('#mailbox-list li', { hasText: 'branch060' }).waitFor({ state: 'detached' });
    await page.locator('.error', { hasText: 'No operator has added a mailbox' }).waitFor();
    expect(await page.locator('.error').count()).toBe(1);
  });

  it('a mailbox is paused and resumed at once, and removed after a question, by keyboard', async () => {
    await addMany();
    const { page } = await fixture.open();
    await page.locator('#mailbox-filter').fill('branch007');
    await page.locator('#mailbox-count', { hasText: /^1 mailbox,/ }).waitFor();
    const press = async (name: string) => {
      await page.getByRole('button', { name, exact: true }).focus();
      await page.keyboard.press('Enter');
    };
    await press('Pause branch007@example.com');
    await page.locator('#mailbox-list li', { hasText: 'Paused' }).waitFor();
    await press('Resume branch007@example.com');
    await page.getByRole('button', { name: 'Pause branch007@example.com', exact: true }).waitFor();
    await press('Remove branch007@example.com');
    await page.locator('#remove-dialog[open]').waitFor();
    expect(await page.locator('#remove-title').textContent()).toBe('Remove branch007@example.com?');
    await page.keyboard.press('Escape');
    expect(await fixture.db.query(`select 1 from mailbox_settings`)).toMatchObject({
      rowCount: MAILBOX_COUNT,
    });
    await press('Remove branch007@example.com');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('#mailbox-count', { hasText: 'No address contains this text.' }).waitFor();
    expect(await fixture.db.query(`select 1 from mailbox_settings`)).toMatchObject({
      rowCount: MAILBOX_COUNT - 1,
    });
  });

  it('the focus stays in the row of a mailbox that moves up because it fails', async () => {
    await addMany();
    const { page } = await fixture.open();
    const name = 'Show the emails of branch007@example.com';
    await page.getByRole('button', { name, exact: true }).focus();
    await fixture.db.query(
      `update mailbox_settings
       set failure_count = 1, last_error_code = 'reauth_required', last_error = 'users.getProfile: invalid_grant.'
       where email_address = 'branch007@example.com'`,
    );
    await refresh(page);
    await page.locator('#mailbox-list li:first-child', { hasText: 'branch007@example.com' }).waitFor();
    expect(await page.evaluate('document.activeElement?.getAttribute("aria-label")')).toBe(name);
  });

  it('shows the last change although an earlier load of the list was slow', async () => {
    await addMany();
    const { page } = await fixture.open();
    await page.locator('#mailbox-filter').fill('branch007');
    await page.locator('#mailbox-count', { hasText: /^1 mailbox,/ }).waitFor();
    const held = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    await page.route(
      '**/api/console/mailboxes?*',
      async (route) => {
        reached.resolve();
        await held.promise;
        await route.continue();
      },
      { times: 1 },
    );
    // Another operator pauses another mailbox, after which the page loads the list again.
    await fixture.db.query(
      `update mailbox_settings set is_paused = true where email_address = 'branch008@example.com'`,
    );
    await refresh(page);
    await reached.promise;
    await page.getByRole('button', { name: 'Pause branch007@example.com' }).click();
    await page.locator('#mailbox-next', { hasText: 'is paused' }).waitFor();
    // The second one began after the pause.
    for (let n = 0; n < 2; n += 1)
      await Promise.all([page.waitForResponse('**/api/console/overview'), refresh(page)]);
    // The overviews before the pause and after the resume are equal, and no other comes between them.
    const resumed = Promise.withResolvers<void>();
    await page.route('**/api/console/overview', async (route) => {
      await resumed.promise;
      await route.continue();
    });
    held.resolve();
    const response = page.waitForResponse('**/api/console/mailboxes/resume');
    await page.getByRole('button', { name: 'Resume branch007@example.com' }).click();
    await response;
    resumed.resolve();
    await page.getByRole('button', { name: 'Pause branch007@example.com' }).waitFor();
  });

  it.each([
    [360, 'light'],
    [390, 'dark'],
    [1280, 'light'],
    [1280, 'dark'],
  ] as const)(
    'axe finds nothing serious at %s px, %s, and the page does not scroll sideways',
    async (width, colorScheme) => {
      await addMany();
      const { page, violations } = await fixture.open({ viewport: { width, height: 800 }, colorScheme });
      await page.locator('#mailbox-list li').nth(99).waitFor();
      const folder = process.env['SCREENSHOTS'];
      if (folder !== undefined) await page.screenshot({ path: `${folder}/top-${width}-${colorScheme}.png` });
      await page.locator('#mailbox-add-toggle').click();
      await page.locator('#mailbox-address').fill('branch007@example.com');
      await page.locator('#mailbox-add').click();
      await page.locator('#mailbox-errors .error').waitFor();
      expect(await seriousViolations(page, ['#mailboxes', '.state', '.completeness'])).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
      expect(violations).toEqual([]);
      if (folder !== undefined) {
        await page.screenshot({ path: `${folder}/form-${width}-${colorScheme}.png` });
        await page.locator('#mailbox-list').scrollIntoViewIfNeeded();
        await page.screenshot({ path: `${folder}/list-${width}-${colorScheme}.png` });
      }
    },
  );
});
