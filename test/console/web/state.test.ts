import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { workerOf } from '../../helpers/email-queue.ts';
import { type FreezingProxy, startFreezingProxy } from '../../helpers/freezing-proxy.ts';
import { mail } from '../../helpers/test-emails.ts';
import {
  chromiumPath,
  createFixture,
  type Fixture,
  refresh,
  seriousViolations,
  titleOrSkipReason,
} from './console-fixture.ts';

/** Screenshots of the states are written to this folder when it is set. */
const PICTURES = process.env['STATE_PICTURES'];
const OVERVIEW = '**/api/console/overview';

describe.skipIf(chromiumPath === null)(titleOrSkipReason('the top of the page'), () => {
  let fixture: Fixture;
  let database: FreezingProxy;
  beforeAll(async () => {
    fixture = await createFixture({
      databaseUrl: async (url) => {
        database = await startFreezingProxy(url);
        return database.url;
      },
    });
    await fixture.call('start');
    await fixture.call('poll-now');
    await reconcileFirst(fixture);
  });
  beforeEach(async () => await watch(fixture));
  afterEach(async () => {
    database.recover();
    await fixture.closePages();
  });
  afterAll(async () => {
    await fixture.close();
    await database.close();
  });

  describe('while there is no answer', () => {
    it.each([
      ['frozen', () => database.freeze(), /Since .*No response arrived within 5 seconds\./],
      ['killed', () => database.kill(), /^Since .*The database does not answer\. PostgreSQL: /],
    ] as const)(
      'the heading is "No answer" within five seconds after the database is %s, and returns on its own',
      async (_what, fail, reason) => {
        const { page, violations } = await fixture.open({ clock: true });
        await heading(page, 'Watching');
        await pauseAfterAnswer(page);
        // A poll without the database would end as a failed run.
        await fixture.pauseJob();
        fail();
        expect(await page.locator('h1').textContent()).toBe('Watching');
        await page.clock.runFor(5_000);
        expect(await page.locator('h1').textContent()).toBe('No answer');
        expect(await page.title()).toBe('No answer · Email Monitor');
        await expect.poll(async () => await page.locator('#state-reason').textContent()).toMatch(reason);
        await page.locator('#stale', { hasText: 'The last answer came' }).waitFor();
        expect(await page.locator('#advice').isHidden()).toBe(true);
        database.recover();
        await page.clock.resume();
        await heading(page, 'Watching');
        expect(await page.locator('#stale').isHidden()).toBe(true);
        expect(violations).toEqual([]);
      },
    );

    it('figures are not known since the last answer, and quota, charts and lists are marked as old', async () => {
      const { page } = await fixture.open({ clock: true });
      await heading(page, 'Watching');
      const known = await page.locator('#completeness').innerText();
      expect(known).toMatch(/^All mail up to \d\d:\d\d is stored \(checked .+\)\.$/);
      await loseAnswers(page);
      for (const id of ['waiting', 'missing', 'dead'])
        expect(await page.locator(`#${id} .value`).innerText()).toMatch(/^not known since \d\d:\d\d$/);
      expect(await page.locator('#completeness').innerText()).toMatch(
        /^Whether all mail is stored is not known since \d\d:\d\d, .*\. All mail up to \d\d:\d\d was stored/,
      );
      expect(await page.locator('#quota').innerText()).toMatch(/\(old data, from \d\d:\d\d\)$/);
      for (const id of ['emails-title', 'runs-title', 'incidents-title', 'charts h2'])
        expect(await afterText(page, `#${id}`)).toBe('" (old data)"');
    });

    it('the buttons are off, keep the focus, and refer to a visible text that says why', async () => {
      const { page } = await fixture.open({ clock: true });
      const posts: string[] = [];
      page.on('request', (request) => {
        if (request.method() === 'POST') posts.push(request.url());
      });
      await loseAnswers(page);
      for (const id of ['start', 'poll-now', 'stop', 'check-now']) {
        const control = page.locator(`#${id}`);
        expect(await control.getAttribute('aria-disabled')).toBe('true');
        expect(await control.getAttribute('aria-describedby')).toBe('controls-off');
        await control.focus();
        await page.keyboard.press('Enter');
        expect(await page.locator(`#${id}:focus`).count()).toBe(1);
      }
      expect(await page.locator('#stop-dialog[open]').count()).toBe(0);
      expect(await page.locator('#controls-off').innerText()).toMatch(
        /off while the console does not answer/,
      );
      expect(posts).toEqual([]);
      await page.unroute(OVERVIEW);
      await page.clock.resume();
      await refresh(page);
      await heading(page, 'Watching');
      expect(await page.locator('#stop').getAttribute('aria-disabled')).toBeNull();
      expect(await page.locator('#controls-off').isHidden()).toBe(true);
    });
  });

  it('the heading stays "Watching" and nothing is spoken while new email is fetched; after ten seconds it is "Catching up"', async () => {
    const { page } = await fixture.open({ clock: true });
    await heading(page, 'Watching');
    await recordAnnouncements(page);
    await pauseAfterAnswer(page);
    await addWaiting(fixture);
    // The first may have been in progress.
    await nextRefresh(page);
    await nextRefresh(page);
    await page.locator('#state-reason', { hasText: /^3 messages are waiting to be fetched/ }).waitFor();
    expect(await page.locator('#waiting .value').innerText()).toBe('3');
    expect(await page.locator('h1').textContent()).toBe('Watching');
    expect(await announcements(page)).toEqual([]);
    for (let seconds = 4; seconds <= 10; seconds += 2) await nextRefresh(page);
    await heading(page, 'Catching up');
    expect(await announcements(page)).toEqual([
      expect.stringMatching(/^Catching up\. 3 messages are waiting to be fetched/),
    ]);
  });

  describe('while the page waits for a server that starts', () => {
    it('says Loading… for the first 15 seconds, and only then that there is no answer', async () => {
      const { page, release } = await openHeld(fixture);
      await page.clock.runFor(14_500);
      expect(await page.locator('h1').textContent()).toBe('Loading…');
      await page.clock.runFor(600);
      await heading(page, 'No answer');
      expect(await page.locator('#state-reason').textContent()).toMatch(/^No data has been loaded yet\./);
      release();
      await page.clock.resume();
      await heading(page, 'Watching');
    });

    it('shows old data as outdated after its return, and never "No answer" when an answer arrives', async () => {
      const { page } = await fixture.open({ clock: true });
      await heading(page, 'Watching');
      await setVisible(page, false);
      const release = await holdOverview(page);
      await page.clock.fastForward(60_000);
      await page.evaluate(`globalThis.seen = [];
        new MutationObserver(() => seen.push(document.querySelector('h1').textContent))
          .observe(document.querySelector('h1'), { childList: true, characterData: true, subtree: true })`);
      await setVisible(page, true);
      await heading(page, 'Loading…');
      await page.clock.runFor(10_000);
      expect(await page.locator('#state-reason').innerText()).toMatch(/^The data below is from/);
      expect(await page.locator('#waiting .value').innerText()).toMatch(/^not known since/);
      expect(await page.locator('html[data-stale]').count()).toBe(1);
      release();
      await heading(page, 'Watching');
      expect(await page.evaluate('seen')).toEqual(['Loading…', 'Watching']);
    });

    it('shows the present state in the title of a hidden page, or that there is no answer', async () => {
      const { page } = await fixture.open({ clock: true });
      await heading(page, 'Watching');
      await setVisible(page, false);
      await fixture.call('stop');
      await page.clock.runFor(61_000);
      await expect.poll(async () => await page.title()).toBe('Stopped · Email Monitor');
      await page.route(OVERVIEW, (route) => route.abort());
      await page.clock.runFor(300_000);
      await expect.poll(async () => await page.title()).toBe('No answer · Email Monitor');
    });

    it('waits again when the computer was suspended during a request', async () => {
      const { page } = await fixture.open({ clock: true });
      await heading(page, 'Watching');
      // The next request is in progress when the computer is suspended.
      await (await page.waitForResponse(OVERVIEW)).finished();
      const release = await holdOverview(page);
      await Promise.all([page.waitForRequest(OVERVIEW), pause(page)]);
      await page.clock.fastForward('08:00:00');
      await heading(page, 'Loading…');
      release();
      await heading(page, 'Watching');
    });
  });

  describe('the screen reader', () => {
    it('announces a change of state once with its reason, and no refresh', async () => {
      const { page } = await fixture.open({ clock: true });
      await heading(page, 'Watching');
      await pauseAfterAnswer(page);
      await recordAnnouncements(page);
      for (let n = 0; n < 4; n += 1) await nextRefresh(page);
      expect(await announcements(page)).toEqual([]);
      await fixture.call('stop');
      for (let n = 0; n < 4; n += 1) await nextRefresh(page);
      expect(await announcements(page)).toEqual([
        expect.stringMatching(/^Stopped\. No email is fetched, .*not known/),
      ]);
      await page.route(OVERVIEW, (route) => route.abort());
      await page.clock.runFor(30_000);
      await heading(page, 'No answer');
      expect(await announcements(page)).toEqual([
        expect.stringMatching(/^Stopped\./),
        expect.stringMatching(/^No answer\. Since /),
      ]);
    });

    it('announces Stop once, and the result of Start that changes nothing', async () => {
      const { page } = await fixture.open();
      await heading(page, 'Watching');
      await recordAnnouncements(page);
      await page.locator('#start').click();
      await expect.poll(async () => await announcements(page)).toEqual([expect.stringMatching(/^Started\./)]);
      await page.locator('#stop').click();
      await page.locator('#stop-dialog').getByRole('button', { name: 'Stop' }).click();
      await heading(page, 'Stopped');
      await page.locator('#result', { hasText: /^Stopped\./ }).waitFor();
      expect((await announcements(page)).slice(1)).toEqual([expect.stringMatching(/^Stopped\. No email/)]);
    });
  });

  describe('Stop', () => {
    it('asks once, and Escape or "Keep running" cancel it and return the focus', async () => {
      const { page, violations } = await fixture.open();
      const dialog = page.locator('#stop-dialog');
      for (const cancel of ['Escape', 'Keep running']) {
        await page.locator('#stop').click();
        expect(await dialog.innerText()).toMatch(/Gmail keeps new email/);
        if (cancel === 'Escape') await page.keyboard.press('Escape');
        else await dialog.getByRole('button', { name: cancel }).click();
        await dialog.waitFor({ state: 'hidden' });
        expect(await page.locator('#stop:focus').count()).toBe(1);
      }
      const { rows } = await fixture.db.query('select is_running from email_monitor_status');
      expect(rows).toEqual([{ is_running: true }]);
      expect(violations).toEqual([]);
    });

    it.each([360, 390])(
      'is apart from Poll now, and large enough for a thumb, at %i pixels',
      async (width) => {
        const { page } = await fixture.open({ viewport: { width, height: 740 } });
        const start = await boxOf(page, '#start');
        const poll = await boxOf(page, '#poll-now');
        const stop = await boxOf(page, '#stop');
        for (const box of [start, poll, stop]) {
          expect(box.height).toBeGreaterThanOrEqual(44);
          expect(box.width).toBeGreaterThanOrEqual(44);
        }
        const gap = Math.max(stop.y - (poll.y + poll.height), stop.x - (poll.x + poll.width));
        expect(gap).toBeGreaterThanOrEqual(16);
        await page.locator('#stop').click();
        for (const name of ['Stop', 'Keep running']) {
          const box = await page.locator('#stop-dialog').getByRole('button', { name }).boundingBox();
          expect(box?.height).toBeGreaterThanOrEqual(44);
        }
      },
    );
  });

  describe('advice', () => {
    it('moves the focus to the heading when the advice of the focused button is gone', async () => {
      const { page } = await fixture.open();
      await adviseWith(page, 'start');
      const advice = page.locator('#advice');
      await advice.getByRole('button', { name: 'Start' }).focus();
      await page.unrouteAll();
      await refresh(page);
      await advice.waitFor({ state: 'hidden' });
      expect(await page.locator('h1:focus').count()).toBe(1);
    });

    it('queues the dead emails of the named consumer only', async () => {
      for (const name of ['archive', 'extraction']) await workerOf(fixture.db, name).claim();
      await fixture.db.query(
        "update email_queue set state = 'dead', failure_count = 5, worker = null, due_at = now() where state = 'claimed'",
      );
      const { page } = await fixture.open();
      expect(await page.locator('html').getAttribute('data-tone')).toBe('warning');
      expect(await page.locator('#state-reason').innerText()).not.toContain('Nothing is waiting');
      await page
        .locator('#advice')
        .getByRole('button', { name: 'Process dead emails of archive again' })
        .click();
      await page.locator('#result', { hasText: '1 email of archive queued again.' }).waitFor();
      const { rows } = await fixture.db.query(
        "select consumer, count(*) from email_queue where state = 'dead' group by consumer",
      );
      expect(rows).toEqual([{ consumer: 'extraction', count: 1 }]);
      await fixture.db.query('delete from consumers');
      await fixture.db.query('delete from email_queue');
    });

    it('confirms a renamed mailbox by a button that names both addresses', async () => {
      await fixture.db.query(
        "update mailboxes set email_address = 'former@example.com', credential_fingerprint = repeat('f', 64)",
      );
      await fixture.db.query('delete from mailbox_confirmations');
      await fixture.call('poll-now');
      const { page, violations } = await fixture.open();
      await heading(page, 'Locked out');
      const buttons = page.locator('#advice').getByRole('button');
      expect(await buttons.allTextContents()).toEqual([
        'orders@example.com is a new mailbox, in addition to former@example.com',
        'former@example.com is now orders@example.com',
      ]);
      expect(await page.locator('#advice').innerText()).not.toMatch(/POST|ADDRESS/);
      const wide = page.viewportSize();
      await page.setViewportSize({ width: 360, height: 740 });
      const [first, last] = [await buttons.first().boundingBox(), await buttons.last().boundingBox()];
      expect(last?.y, 'one below the other, so that no address is broken').toBeGreaterThan(
        (first?.y ?? 0) + (first?.height ?? 0),
      );
      if (wide !== null) await page.setViewportSize(wide);
      await buttons.last().click();
      await page.locator('#result', { hasText: /^Confirmed/ }).waitFor();
      const { rows } = await fixture.db.query('select email_address from mailboxes');
      expect(rows).toEqual([{ email_address: 'orders@example.com' }]);
      expect(violations).toEqual([]);
    });

    it('offers no rename of an added mailbox, which the server would reject', async () => {
      const { page } = await fixture.open();
      await adviseWith(page, 'confirm_mailbox', { account: 'new@example.com' }, [
        { email_address: 'former@example.com', access: null },
        { email_address: 'added@example.com', access: 'delegation' },
      ]);
      expect(await page.locator('#advice').getByRole('button').allTextContents()).toEqual([
        'new@example.com is a new mailbox, in addition to former@example.com',
        'former@example.com is now new@example.com',
      ]);
    });

    it.each([
      ['stop', 'Stop', '/stop'],
      ['restart', 'Stop and start', '/start'],
      ['poll_now', 'Fetch now', '/poll-now'],
      ['reconcile_all', 'Check now', '/poll-now?reconcile=all'],
      ['retry_dead', 'Retry dead messages', '/messages/retry'],
    ] as const)('of the action %s has the button "%s"', async (action, name, path) => {
      const { page } = await fixture.open();
      await adviseWith(page, action);
      const posts: string[] = [];
      page.on('request', (request) => {
        if (request.method() === 'POST') posts.push(request.url());
      });
      await page.locator('#advice').getByRole('button', { name, exact: true }).click();
      if (action === 'stop') await page.locator('#stop-dialog').getByRole('button', { name: 'Stop' }).click();
      await expect.poll(() => posts.some((url) => url.endsWith(path))).toBe(true);
      await page.locator('#result').filter({ hasText: /\w/ }).waitFor();
    });

    it('shows the command of the action authorize', async () => {
      const { page } = await fixture.open();
      await adviseWith(page, 'authorize');
      await page.locator('#advice code', { hasText: 'npm run authorize' }).waitFor();
      expect(await page.locator('#advice button').count()).toBe(0);
    });

    it('has a button in the error of a failed call', async () => {
      const { page } = await fixture.open();
      const problem = { title: 'A watch exists', detail: 'Two.', remediation: 'POST stop, then POST start.' };
      await page.route('**/poll-now', async (route) => {
        const more = { action: 'restart', remediation_text: 'Stop it and start it again.' };
        await route.fulfill({ status: 409, json: { ...problem, ...more } });
      });
      await page.locator('#poll-now').click();
      const error = page.locator('#errors .error');
      expect(await error.innerText()).toMatch(/Stop it and start it again\./);
      expect(await error.innerText()).not.toContain('POST');
      await error.getByRole('button', { name: 'Stop and start' }).click();
      await page.locator('#result', { hasText: 'Stopped and started again.' }).waitFor();
    });
  });

  it('"Check now" compares all email with Gmail and says the result', async () => {
    const { page } = await fixture.open();
    await page.locator('#check-now').click();
    const result = page.locator('#result');
    await result.filter({ hasText: /Checked|begun/ }).waitFor();
    await fixture.db.query('update reconciliations set not_before = now() where evaluated_at is null');
    await fixture.call('poll-now');
    await result
      .filter({ hasText: /^Checked: Gmail lists \d+ messages? since .*\. None is missing\.$/ })
      .waitFor();
    const { rows } = await fixture.db.query(
      "select is_full from reconciliations where evaluated_at > now() - interval '1 minute' order by id desc limit 1",
    );
    expect(rows).toEqual([{ is_full: true }]);
  });

  it.each([
    ['No answer', 'no-answer', async (page: Page) => await loseAnswers(page)],
    ['Not set up', 'not-set-up', async (page: Page) => await showNotSetUp(page)],
    ['Locked out', 'locked-out', async () => await lockOut(fixture)],
    ['Stopped', 'stopped', async () => await fixture.call('stop')],
    ['Failing (next try at', 'failing', async () => await failRun(fixture)],
    ['Some mail cannot be fetched', 'some-mail', async () => await failMessage(fixture)],
    [
      'Catching up',
      'catching-up',
      async (page: Page) => {
        await addWaiting(fixture);
        await page.clock.fastForward(10_000);
      },
    ],
    ['Watching', 'watching', async () => undefined],
  ] as const)('fits on small screens and is accessible in the state "%s"', async (label, file, enter) => {
    const { page } = await fixture.open({ clock: true, viewport: { width: 360, height: 740 } });
    await page.locator('#email-list .open').first().waitFor();
    await enter(page);
    await page.clock.runFor(2_000);
    await heading(page, label);
    // axe waits for timers.
    await page.clock.resume();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      for (const width of [360, 390, 1280]) {
        await page.setViewportSize({ width, height: width < 400 ? 844 : 900 });
        expect([width, await page.evaluate('document.documentElement.scrollWidth - innerWidth')]).toEqual([
          width,
          0,
        ]);
        if (PICTURES !== undefined)
          await page.screenshot({ path: join(PICTURES, `${file}-${width}-${colorScheme}.png`) });
      }
      expect(await seriousViolations(page, ['header', '.state', '.completeness'])).toEqual([]);
    }
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

/** Returns to the state `watching` from every state of these tests. */
async function watch(fixture: Fixture): Promise<void> {
  fixture.gmail.faults.clear();
  fixture.gmail.reauthorize(process.env['GMAIL_REFRESH_TOKEN'] ?? '');
  await fixture.db.query("delete from email_ledger where gmail_message_id like 'test-%'");
  const isWatching = async () => {
    await fixture.call('start');
    await fixture.call('poll-now');
    const response = await fetch(`${fixture.url}api/system/email-monitor/status`);
    return ((await response.json()) as { state: string }).state === 'watching';
  };
  await vi.waitUntil(isWatching, { timeout: 20_000 });
}

async function lockOut(fixture: Fixture): Promise<void> {
  fixture.gmail.revokeRefreshToken();
  await fixture.call('poll-now');
}

async function failRun(fixture: Fixture): Promise<void> {
  fixture.gmail.faults.add({ kind: 'status', status: 500, method: 'history.list' });
  await fixture.call('poll-now');
  await fixture.db.query("update mailboxes set next_poll_at = now() + interval '5 minutes'");
}

async function failMessage(fixture: Fixture): Promise<void> {
  const { id } = fixture.gmail.deliver(mail('Rejected'));
  fixture.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get', messageId: id });
  await fixture.call('poll-now');
}

async function addWaiting(fixture: Fixture): Promise<void> {
  await fixture.db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source, next_attempt_at)
     select id, 'test-' || n, 'history', now() + interval '1 hour' from mailboxes, generate_series(1, 3) n`,
  );
}

/** Needs an instance without credentials; the page sees only its status. */
async function showNotSetUp(page: Page): Promise<void> {
  await page.route(OVERVIEW, async (route) => {
    const headers = { ...route.request().headers(), 'sec-fetch-site': 'same-origin' };
    const { status, ...rest } = await (await route.fetch({ headers })).json();
    const mailboxes = status.mailboxes.map((one: object) => ({
      ...one,
      is_current: false,
      state: 'not_configured',
      waiting_count: null,
      unknown_since: rest.now,
    }));
    const text = 'Not set: GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET, GMAIL_REFRESH_TOKEN.';
    const advice = { advice: [text], advice_items: [{ code: 'not_configured', text, action: 'authorize' }] };
    await route.fulfill({
      json: { ...rest, status: { ...status, ...advice, mailboxes, state: 'not_configured' } },
    });
  });
}

/** @param changed mailboxes of the answer, each like the real first one except for these members */
async function adviseWith(
  page: Page,
  action: string,
  item: object = {},
  changed: readonly object[] = [{}],
): Promise<void> {
  await page.route(OVERVIEW, async (route) => {
    const headers = { ...route.request().headers(), 'sec-fetch-site': 'same-origin' };
    const { status, ...rest } = await (await route.fetch({ headers })).json();
    const advice = { advice: ['Do.'], advice_items: [{ code: 'test', text: 'Do.', action, ...item }] };
    const mailboxes = changed.map((one) => ({ ...status.mailboxes[0], ...one }));
    await route.fulfill({ json: { ...rest, status: { ...status, ...advice, mailboxes } } });
  });
  await refresh(page);
  await page.locator('#advice', { hasText: 'Do.' }).waitFor();
}

/** Requests fail from now on, and the clock passes the age from which data is not known. */
async function loseAnswers(page: Page): Promise<void> {
  // No older request is in progress when this one fails.
  const failed = page.waitForEvent('requestfailed');
  await page.route(OVERVIEW, (route) => route.abort());
  await refresh(page);
  await failed;
  await pause(page);
  await page.clock.runFor(5_000);
  await heading(page, 'No answer');
}

/** Opens the page with a fake clock and holds the answers. */
async function openHeld(fixture: Fixture): Promise<{ page: Page; release: () => void }> {
  const context = await fixture.browser.newContext({ locale: 'en-GB' });
  await context.clock.install();
  // Before the page loads, so that no time passes while it does.
  await context.clock.pauseAt(Date.now() + 1_000);
  const page = await context.newPage();
  const release = await holdOverview(page);
  await page.goto(fixture.url);
  return { page, release };
}

async function holdOverview(page: Page): Promise<() => void> {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(OVERVIEW, async (route) => {
    await held;
    // The page may have given up the request.
    await route.continue().catch(() => undefined);
  });
  return release;
}

/** From now on, only the test moves the clock of the page. The clock cannot pause in the past, so it jumps ahead. */
async function pause(page: Page): Promise<void> {
  await page.clock.pauseAt(Number(await page.evaluate('Date.now()')) + 2_000);
}

/** As `pause`, while no request is in progress. */
async function pauseAfterAnswer(page: Page): Promise<void> {
  const [response] = await Promise.all([page.waitForResponse(OVERVIEW), refresh(page)]);
  await response.finished();
  await pause(page);
  await settle(page);
}

async function nextRefresh(page: Page): Promise<void> {
  const [response] = await Promise.all([page.waitForResponse(OVERVIEW), page.clock.runFor(2_000)]);
  await response.finished();
  await settle(page);
}

/** The page has handled each response that it received before. */
async function settle(page: Page): Promise<void> {
  await page.evaluate("fetch('/assets/main.css').then((response) => response.text()).then(() => null)");
}

async function setVisible(page: Page, isVisible: boolean): Promise<void> {
  await page.evaluate(`Object.defineProperty(document, 'visibilityState', {
      configurable: true, value: '${isVisible ? 'visible' : 'hidden'}',
    });
    document.dispatchEvent(new Event('visibilitychange'))`);
}

async function heading(page: Page, label: string): Promise<void> {
  await page
    .locator('h1', { hasText: label })
    .waitFor({ timeout: 15_000 })
    .catch(async () => {
      throw new Error(`Expected "${label}", but the page shows: ${await page.locator('main').innerText()}`);
    });
}

/** Records each text that a live region receives from now on. The list of emails announces its length when it is loaded. */
async function recordAnnouncements(page: Page): Promise<void> {
  await page.getByText(/^All \d+ emails\.$/).waitFor();
  await page.evaluate(`globalThis.announced = [];
    for (const region of document.querySelectorAll('[aria-live], [role=status], [role=alert]'))
      new MutationObserver(() => {
        if (region.textContent !== '') announced.push(region.textContent);
      }).observe(region, { childList: true, characterData: true, subtree: true })`);
}

async function announcements(page: Page): Promise<string[]> {
  return (await page.evaluate('announced')) as string[];
}

async function boxOf(page: Page, selector: string) {
  const box = await page.locator(selector).boundingBox();
  if (box === null) throw new Error(`${selector} is not visible.`);
  return box;
}

async function afterText(page: Page, selector: string): Promise<unknown> {
  return await page.evaluate(`getComputedStyle(document.querySelector('${selector}'), '::after').content`);
}
