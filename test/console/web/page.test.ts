import { readFileSync } from 'node:fs';
import type { Page, Route } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { mail, order } from '../../helpers/test-emails.ts';
import {
  chromiumPath,
  createFixture,
  type Fixture,
  refresh,
  seriousViolations,
  titleOrSkipReason,
} from './console-fixture.ts';

describe.skipIf(chromiumPath === null)(titleOrSkipReason("the console's page"), () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await createFixture();
    await fixture.call('start');
    await fixture.call('poll-now');
    await reconcileFirst(fixture);
  });
  afterEach(async () => await fixture.closePages());
  afterAll(async () => await fixture.close());

  it('shows the new state and announces it after Stop and Start', async () => {
    const { page, violations } = await fixture.open();
    await state(page, 'watching');
    await page.locator('#stop').click();
    await page.locator('#stop-dialog').getByRole('button', { name: 'Stop' }).click();
    await state(page, 'stopped');
    await result(page, /^Stopped\./);
    expect(await page.locator('h1').textContent()).toBe('Stopped');
    expect(await page.title()).toBe('Stopped · Email Monitor');
    expect(await page.locator('#advice').isHidden()).toBe(true);
    expect(await page.locator('#state-reason').textContent()).toMatch(/Start fetches all of it\.$/);
    expect(await page.locator('#waiting').textContent()).toMatch(/not known since \d\d:\d\d/);
    await page.locator('#start').click();
    // Until a run ends, it is not known how much waits.
    await state(page, 'catching_up');
    await result(page, /^Started\./);
    expect(await page.locator('#waiting').textContent()).toMatch(/not known since \d\d:\d\d/);
    await fixture.call('poll-now');
    await refresh(page);
    await state(page, 'watching');
    expect(violations).toEqual([]);
  });

  it('shows progress on a pending button and ignores a second click', async () => {
    const { page } = await fixture.open();
    let calls = 0;
    let respond: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      respond = resolve;
    });
    await page.route('**/poll-now', async (route) => {
      calls += 1;
      await held;
      await route.continue();
    });
    const poll = page.locator('#poll-now');
    await poll.click();
    await page.getByText('Polling…').waitFor();
    expect(await poll.getAttribute('aria-disabled')).toBe('true');
    await poll.click({ force: true });
    respond();
    await result(page, /^Nothing new\.$/);
    expect([calls, await poll.textContent(), await poll.getAttribute('aria-disabled')]).toEqual([
      1,
      'Poll now',
      null,
    ]);
  });

  it('shows a new email without a reload while an email is open, and the focus returns to its row', async () => {
    const { page, violations } = await fixture.open({ clock: true });
    const first = page.locator('#email-list .open').first();
    await first.focus();
    await first.press('Enter');
    await page.locator('#email .facts').first().waitFor();
    fixture.push(true);
    const { id } = fixture.gmail.deliver(mail('New email during reading'));
    await expect.poll(async () => await isStored(fixture, id), { timeout: 10_000 }).toBe(true);
    fixture.push(false);
    await page.clock.fastForward(5_000);
    await page.locator('#email-list .open', { hasText: 'during reading' }).waitFor({ state: 'attached' });
    expect(await page.locator('#email').isVisible()).toBe(true);
    await page.keyboard.press('Escape');
    await page.locator('#email').waitFor({ state: 'hidden' });
    // The opened email is now the second one and has the focus again.
    expect(await page.locator('#email-list li:nth-child(2) .open:focus').count()).toBe(1);
    expect(violations).toEqual([]);
  });

  it('searches emails, and shows the whole list again when the search is cleared', async () => {
    const { page } = await fixture.open();
    fixture.gmail.deliver(order('zebra-4711'));
    await page.locator('#poll-now').click();
    await page.locator('#email-list .open', { hasText: 'zebra-4711' }).waitFor();
    const urls: string[] = [];
    page.on('request', (request) => urls.push(request.url()));
    await page.locator('#search').fill('zebra');
    await page.getByText('1 email found').waitFor();
    expect(await page.locator('#email-list .open').count()).toBe(1);
    expect(urls.filter((url) => url.includes('zebra'))).toEqual([]);
    await page.locator('#search').fill('');
    await page.locator('#email-list > li:nth-child(2)').waitFor();
  });

  it('continues a search that the server ends early, and keeps the found emails when a new email arrives', async () => {
    const { page } = await fixture.open({ clock: true });
    const requested: unknown[] = [];
    const email = await page.evaluate(
      `fetch('/api/console/emails?limit=1').then((response) => response.json()).then(({ emails }) => emails[0])`,
    );
    let newest = 90_000;
    await page.route('**/emails/search', async (route) => {
      const { before } = route.request().postDataJSON();
      requested.push(before ?? null);
      const from = before ?? newest;
      const emails = from === 30_000 ? [{ ...Object(email), id: 20_500, subject: 'An old one' }] : [];
      await route.fulfill({ json: { emails, next_before: from < 40_000 ? null : from - 20_000 } });
    });
    await page.locator('#search').fill('old');
    await page.clock.fastForward(1_000);
    await page.getByText('1 email found').waitFor();
    expect(requested).toEqual([null, 70_000, 50_000, 30_000]);
    newest += 3;
    fixture.gmail.deliver(mail('New email'));
    await page.locator('#poll-now').click();
    await expect.poll(() => requested.length).toBe(5);
    await result(page, /^1 new email stored\.$/);
    expect(await page.locator('#email-list .subject').allTextContents()).toEqual(['An old one']);
    expect(requested).toEqual([null, 70_000, 50_000, 30_000, null]);
  });

  it('shows the error of a failed search and retries it', async () => {
    const { page } = await fixture.open({ clock: true });
    await page.locator('#email-list .open').first().waitFor();
    await page.route('**/emails/search', (route) => route.abort());
    await page.locator('#search').fill('nothing has this');
    await page.clock.fastForward(1_000);
    await page.locator('#emails .section-error', { hasText: 'is not responding' }).waitFor();
    await page.unroute('**/emails/search');
    await page.clock.fastForward(5_000);
    await page.getByText('0 emails found').waitFor();
    expect(await page.locator('#emails .section-error').textContent()).toBe('');
  });

  it('shows older runs, and keeps them after the next run', async () => {
    await fixture.db.query(`insert into ingest_runs (trigger, outcome, started_at, finished_at, duration_ms)
      select 'schedule', 'completed', now() - interval '1 day', now() - interval '1 day', 1 from generate_series(1, 80)`);
    const { page } = await fixture.open();
    await expect.poll(async () => await page.locator('#run-list tr').count()).toBe(12);
    await page.getByRole('button', { name: 'Older runs' }).click();
    await expect.poll(async () => await page.locator('#run-list tr').count()).toBe(62);
    await page.locator('#poll-now').click();
    await result(page, /^Nothing new\.$/);
    await expect.poll(async () => await page.locator('#run-list tr td').nth(1).textContent()).toBe('manual');
    expect(await page.locator('#run-list tr').count()).toBe(62);
    await page.getByRole('button', { name: 'Older runs' }).click();
    await page.locator('#runs-older').waitFor({ state: 'hidden' });
    // The button disappears with the last page, and the focus moves to the heading.
    expect(await page.locator('#runs-title:focus').count()).toBe(1);
    await fixture.db.query(`delete from ingest_runs where started_at < now() - interval '12 hours'`);
  });

  it('adds the date to a time of today when the day ends', async () => {
    const { page } = await fixture.open({ clock: true });
    const time = page.locator('#email-list .open time').first();
    expect(await time.textContent()).toMatch(/^\d\d:\d\d:\d\d$/);
    await page.route('**/api/console/overview', (route) => route.abort());
    await page.clock.fastForward('24:00:01');
    await expect.poll(async () => await time.textContent()).toMatch(/^\d+ \w+, \d\d:\d\d$/);
  });

  it('shows the stored data when the credentials are missing', async () => {
    const { page } = await fixture.open({ clock: true });
    await page.route('**/api/console/overview', async (route) => {
      const { status, ...rest } = await (await route.fetch({ headers: ownPageHeaders(route) })).json();
      const mailboxes = status.mailboxes.map((mailbox: object) => ({ ...mailbox, is_current: false }));
      await route.fulfill({ json: { ...rest, status: { ...status, mailboxes, state: 'not_configured' } } });
    });
    await page.clock.fastForward(5_000);
    await state(page, 'not_configured');
    expect(await page.locator('#mailbox').textContent()).toBe('orders@example.com');
    expect(await page.locator('#stored').textContent()).toMatch(/^Stored in total[1-9]/);
    expect(await page.locator('#reconciliation').textContent()).toContain('Gmail listed');
  });

  it('shows nothing of a former mailbox as current, and names all mailboxes of the lists', async () => {
    const { page } = await fixture.open({ clock: true });
    expect(await page.locator('#all-mailboxes').textContent()).toBe('');
    await page.route('**/api/console/overview', async (route) => {
      const { status, ...rest } = await (await route.fetch({ headers: ownPageHeaders(route) })).json();
      const former = { ...status.mailboxes[0], is_current: false };
      const mailboxes = [former, { ...former, email_address: 'sales@example.com' }];
      const freshness = { newest_stored_at: null };
      await route.fulfill({
        json: { ...rest, freshness, status: { ...status, mailboxes, state: 'starting' } },
      });
    });
    await page.clock.fastForward(5_000);
    await state(page, 'starting');
    expect(await page.locator('#all-mailboxes').textContent()).toMatch(
      /all mailboxes: orders@example\.com, sales@example\.com\.$/,
    );
    expect(await page.locator('#completeness').textContent()).toContain(
      'not known yet, because no run has reached',
    );
    expect(await page.locator('#waiting').textContent()).toMatch(/not known yet/);
  });

  it('shows the parts of the last reconciliation', async () => {
    const { page } = await fixture.open();
    expect(await page.locator('#reconciliation').innerText()).toMatch(
      /^Gmail listed \d+ messages? since \S.*: \d+ stored.*, none missing, as of .+\.$/,
    );
    expect(await page.locator('#completeness').innerText()).toMatch(
      /^All mail up to \d\d:\d\d is stored \(checked .+\)\.$/,
    );
  });

  it('downloads an attachment byte for byte with its file name', async () => {
    const { page, violations } = await fixture.open();
    fixture.gmail.deliver(order('download', 5_000));
    await page.locator('#poll-now').click();
    const link = page.getByRole('link', { name: 'order-download.pdf' });
    await link.waitFor();
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    const { rows } = await fixture.db.query<{ file_data: Buffer }>(
      "select file_data from email_attachments where filename = 'order-download.pdf'",
    );
    expect(download.suggestedFilename()).toBe('order-download.pdf');
    expect(readFileSync(await download.path()).equals(rows[0]?.file_data ?? Buffer.alloc(0))).toBe(true);
    expect(violations).toEqual([]);
  });

  it('says what happened and what to do when a download or the HTML of an email fails', async () => {
    const { page } = await fixture.open();
    const parts = ['text/html', 'application/pdf; name=gone.pdf'].map(
      (type) => `Content-Type: ${type}\r\n\r\nx`,
    );
    const body = parts.map((part) => `--b\r\n${part}`);
    fixture.gmail.deliver(mail('Gone', ['Content-Type: multipart/mixed; boundary=b', '', ...body, '--b--']));
    await page.locator('#poll-now').click();
    await page.locator('#email-list .open', { hasText: 'Gone' }).click();
    await page.locator('#email .facts').first().waitFor();
    await fixture.db.query('alter table email_accesses rename to hidden_accesses');
    try {
      await page.getByRole('button', { name: 'Show HTML' }).click();
      const frame = page.locator('#email iframe').contentFrame();
      await frame.getByRole('heading', { name: 'The database schema is older' }).waitFor({ timeout: 5_000 });
      await frame.getByText('npm run migrate').waitFor();
      await page.locator('#email').getByRole('link', { name: 'gone.pdf' }).click();
      await page.getByRole('heading', { name: 'The database schema is older' }).waitFor({ timeout: 5_000 });
    } finally {
      await fixture.db.query('alter table hidden_accesses rename to email_accesses');
    }
    await page.goBack();
    await page.locator('html[data-ready]').waitFor();
  });

  it('shows a dead message with its error and remediation, and stores it after Retry', async () => {
    const { id } = fixture.gmail.deliver(mail('Rejected at first'));
    fixture.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get', messageId: id });
    await fixture.call('poll-now');
    await fixture.db.query(
      `update email_ledger set state = 'dead', attempt_count = 8, error_code = 'gmail_refused',
         error_detail = 'messages.get: 400', resolved_at = now() where gmail_message_id = $1::text`,
      [id],
    );
    fixture.gmail.faults.clear();
    const { page, violations } = await fixture.open();
    const row = page.locator('#message-list li');
    await row.waitFor();
    expect(await row.textContent()).toMatch(
      new RegExp(
        `Dead since .* after 8 attempts: Gmail rejected the request.*Retry it, or give it up.*${id}`,
      ),
    );
    await state(page, 'fetch_failing');
    expect(await page.locator('html').getAttribute('data-tone')).toBe('critical');
    await row.getByRole('button', { name: 'Retry' }).click();
    await page.locator('#messages-body[hidden]').waitFor({ state: 'attached' });
    await page.locator('#email-list .open', { hasText: 'Rejected at first' }).waitFor();
    expect(violations).toEqual([]);
  });

  it('shows the title, the detail and the remediation of a failed call', async () => {
    fixture.gmail.revokeRefreshToken();
    const { page } = await fixture.open();
    await page.locator('#poll-now').click();
    const box = page.locator('#errors .error');
    await box.waitFor();
    expect(await box.textContent()).toMatch(/Poll now: Gmail rejected the refresh token.*npm run authorize/);
    await state(page, 'reauth_required');
    expect(await page.locator('h1').textContent()).toBe('Locked out');
    await box.getByRole('button', { name: 'Dismiss' }).click();
    expect(await page.locator('#errors .error').count()).toBe(0);
    fixture.gmail.reauthorize(process.env['GMAIL_REFRESH_TOKEN'] ?? '');
    await page.locator('#poll-now').click();
    await state(page, 'watching');
  });

  it('shows since when its data is outdated while the server is unreachable, and recovers on its own', async () => {
    const { page } = await fixture.open({ clock: true });
    await page.route('**/api/console/overview', (route) => route.abort());
    await page.clock.fastForward(5_000);
    await page.locator('#stale:not([hidden])').waitFor();
    expect(await page.locator('#stale').textContent()).toMatch(
      /^Check your network connection.*The last answer came .* ago\. Retrying every .*Try now$/,
    );
    expect(await page.title()).toBe('No answer · Email Monitor');
    await page.unroute('**/api/console/overview');
    await page.clock.fastForward(5_000);
    await page.locator('#stale').waitFor({ state: 'hidden' });
    await state(page, 'watching');
  });

  it('asks the operator to reload when the proxy in front of it answers that the login has ended', async () => {
    const { page } = await fixture.open({ clock: true });
    await page.route('**/api/console/overview', async (route) => {
      // Without the header, Identity-Aware Proxy redirects to its login page.
      const isFromScript = route.request().headers()['x-requested-with'] === 'XMLHttpRequest';
      await route.fulfill({ status: isFromScript ? 401 : 302, body: '<html>Log in</html>' });
    });
    await page.clock.fastForward(5_000);
    await page.locator('#stale:not([hidden])').waitFor();
    expect(await page.locator('#state-reason').textContent()).toMatch(/Your login has ended/);
    expect(await page.locator('#stale').textContent()).toMatch(/^Reload the page/);
  });

  it('can be used with the keyboard alone', async () => {
    const { page } = await fixture.open();
    await page.locator('#email-list .open').first().waitFor();
    await tabTo(page, '#stop');
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    await page.keyboard.press('Enter');
    // The dialog begins at "Keep running".
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await state(page, 'stopped');
    await result(page, /^Stopped\./);
    expect(await page.locator('#stop:focus').count()).toBe(1);
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Space');
    // Until a run ends.
    await state(page, 'catching_up');
    await fixture.call('poll-now');
    await refresh(page);
    await state(page, 'watching');
    await tabTo(page, '#email-list li:nth-child(2) .open');
    await page.keyboard.press('Enter');
    await page.locator('#email .facts').first().waitFor();
    await tabTo(page, '#email .files a');
    await page.keyboard.press('Escape');
    await page.locator('#email').waitFor({ state: 'hidden' });
    expect(await page.locator('#email-list li:nth-child(2) .open:focus').count()).toBe(1);
  });

  it.each([320, 360, 768])('fits on a screen of %i pixels', async (width) => {
    const { page } = await fixture.open({ viewport: { width, height: 740 } });
    await page.locator('#run-list tr').first().waitFor();
    await page.locator('#email-chart canvas').waitFor();
    expect(await overflow(page)).toBe(0);
    await page.locator('#email-list .open').first().click();
    await page.locator('#email .facts').first().waitFor();
    expect(await overflow(page)).toBe(0);
  });

  it.each(['light', 'dark'] as const)(
    'has no serious accessibility violation in %s mode',
    async (colorScheme) => {
      const { page } = await fixture.open({ colorScheme });
      await page.locator('#run-list tr').first().waitFor();
      await page.locator('#email-list .open').first().waitFor();
      expect(await seriousViolations(page)).toEqual([]);
      await page.locator('#email-list .open').first().click();
      await page.locator('#email .facts').first().waitFor();
      expect(await seriousViolations(page)).toEqual([]);
    },
  );

  it('transfers less than 60 KB at the first visit', async () => {
    const page = await (await fixture.browser.newContext()).newPage();
    const bytes: Promise<number>[] = [];
    page.on('requestfinished', (request) => {
      if (!request.url().includes('/api/'))
        bytes.push(request.sizes().then((sizes) => sizes.responseBodySize));
    });
    await page.goto(fixture.url);
    await page.locator('html[data-ready]').waitFor();
    const sum = (await Promise.all(bytes)).reduce((total, size) => total + size, 0);
    expect(sum).toBeGreaterThan(1_000);
    expect(sum).toBeLessThan(60_000);
  });
});

/** The first listing runs twice, GMAIL_SETTLE_SECONDS apart. The first reconciliation follows it. */
async function reconcileFirst(fixture: Fixture): Promise<void> {
  const isEvaluated = async () => {
    await fixture.db.query(
      "update list_jobs set created_at = now() - interval '91 seconds', not_before = now()",
    );
    await fixture.db.query('update reconciliations set not_before = now()');
    await fixture.call('poll-now');
    const { rowCount } = await fixture.db.query('select from reconciliations where evaluated_at is not null');
    return rowCount > 0;
  };
  await vi.waitUntil(isEvaluated, { timeout: 30_000 });
}

async function state(page: Page, name: string): Promise<void> {
  const shown = page.locator(`html[data-state="${name}"]`);
  await shown.waitFor({ timeout: 10_000 }).catch(async () => {
    throw new Error(
      `Expected the state ${name}, but the page shows: ${await page.locator('.state').innerText()}`,
    );
  });
}

async function isStored(fixture: Fixture, gmailMessageId: string): Promise<boolean> {
  const { rowCount } = await fixture.db.query(
    'select from incoming_emails where gmail_message_id = $1::text',
    [gmailMessageId],
  );
  return rowCount === 1;
}

async function result(page: Page, text: RegExp): Promise<void> {
  await page.locator('#result', { hasText: text }).waitFor({ timeout: 10_000 });
}

/** Fails when the tab order skips the element or traps the focus before it. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < 60; presses += 1) {
    if ((await page.locator(selector).and(page.locator(':focus')).count()) === 1) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`${selector} is not reached after 60 presses of Tab.`);
}

/** Pixels that overflow to the right. */
async function overflow(page: Page): Promise<unknown> {
  return await page.evaluate('document.documentElement.scrollWidth - innerWidth');
}

/** `route.fetch` drops the Sec-Fetch headers of the browser, without which the console rejects a read. */
function ownPageHeaders(route: Route): Record<string, string> {
  return { ...route.request().headers(), 'sec-fetch-site': 'same-origin' };
}
