import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { mail } from '../../helpers/test-emails.ts';
import {
  chromiumPath,
  createFixture,
  type Fixture,
  refresh,
  seriousViolations,
  titleOrSkipReason,
} from './console-fixture.ts';

describe.skipIf(chromiumPath === null)(titleOrSkipReason('messages that are not stored'), () => {
  let fixture: Fixture;
  let spam: string;
  let gone: string;
  let failing: string;
  const erased = '0123456789abcdee';
  beforeAll(async () => {
    fixture = await createFixture();
    await fixture.call('start');
    await fixture.call('poll-now');
    spam = fixture.gmail.deliver(
      Buffer.from(
        'From: "مكتب الأثاث" <office@furniture.example>\r\nSubject: =?utf-8?B?2LfZhNioINi02LHYp9ih?=\r\n\r\nHi.\r\n',
      ),
      { labelIds: ['SPAM'] },
    ).id;
    fixture.gmail.deliver(mail('=?utf-8?B?5rOo5paHIDQ3MTE=?='), { labelIds: ['SPAM'] });
    fixture.gmail.deliver(mail('Heron sent'), { labelIds: ['SENT'] });
    fixture.gmail.saveDraft(mail('Heron draft'));
    gone = fixture.gmail.deliver(mail('Heron gone')).id;
    fixture.gmail.delete(gone);
    failing = fixture.gmail.deliver(mail('Heron failing')).id;
    fixture.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get', messageId: failing });
    await fixture.call('poll-now');
    fixture.gmail.faults.clear();
    await fixture.db.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, state, resolved_at)
       select id, $1::text, 'history', 'gone', now() - interval '3 hours' from mailboxes
       on conflict (mailbox_id, gmail_message_id) do update set state = 'gone', resolved_at = now() - interval '3 hours'`,
      [gone],
    );
    await fixture.db.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, state, resolved_at, erased_at)
       select id, $1::text, 'history', 'stored', now() - interval '9 days', now() - interval '3 hours' from mailboxes`,
      [erased],
    );
  });
  /** One message fails, and waits for its fourth attempt. Each run tries it, so no run begins that no test starts. */
  beforeEach(async () => {
    await fixture.pauseJob();
    await fixture.db.query(
      `update email_ledger
       set state = 'pending', attempt_count = 3, error_code = 'gmail_refused', error_detail = 'users.messages.get: 400.',
           last_attempt_at = now(), next_attempt_at = now() + interval '2 hours', resolved_at = null, given_up_at = null
       where gmail_message_id = $1`,
      [failing],
    );
    await fixture.db.query('delete from incoming_emails where gmail_message_id = $1', [failing]);
  });
  afterEach(async () => {
    await fixture.closePages();
    fixture.gmail.faults.clear();
  });
  afterAll(async () => await fixture.close());

  const found = (page: Page) => page.locator('#found-list li');
  const listed = (page: Page) => page.locator('#message-list li');
  const state = (page: Page, name: string) => page.locator('#message-states').getByRole('button', { name });

  it.each(['none', 'active'] as const)(
    'the chosen state looks different with forced colours %s',
    async (forcedColors) => {
      const { page } = await fixture.open({ forcedColors });
      await listed(page).first().waitFor();
      const colourOf = async (isPressed: boolean) =>
        await page.evaluate(
          `getComputedStyle(document.querySelector('#message-states [aria-pressed=${isPressed}]')).backgroundColor`,
        );
      expect(await colourOf(true)).not.toBe(await colourOf(false));
    },
  );

  it('opens while a message fails, with its error, what to do, and its place in Gmail', async () => {
    const { page, violations } = await fixture.open();
    const row = listed(page).first();
    await row.getByText('Heron failing').waitFor();
    expect((await row.innerText()).replaceAll(/\s+/g, ' ')).toMatch(
      new RegExp(
        `^Alice Buyer Heron failing \\d\\d:\\d\\d:\\d\\d Waiting for its 4th attempt at \\d.*: Gmail rejected the request\\. users\\.messages\\.get: 400\\. It is retried at its next attempt, .* Gmail ID ${failing} · Open in Gmail .*Retry$`,
      ),
    );
    expect(await state(page, 'Failing (1)').getAttribute('aria-pressed')).toBe('true');
    const link = row.getByRole('link', { name: 'Open in Gmail' });
    expect(
      await Promise.all(['href', 'rel', 'target'].map(async (name) => await link.getAttribute(name))),
    ).toEqual([
      `https://mail.google.com/mail/?authuser=orders%40example.com#all/${failing}`,
      'noopener noreferrer',
      '_blank',
    ]);
    expect(violations).toEqual([]);
  });

  it('retries a failing message, closes when none is left, and keeps the focus for the keyboard', async () => {
    const { page } = await fixture.open();
    await listed(page).first().getByRole('button', { name: 'Retry' }).click();
    await result(page, /^1 new email stored\.$/);
    await page.locator('#messages-body').waitFor({ state: 'hidden' });
    expect(await page.locator('#messages-title:focus').count()).toBe(1);
    await page.locator('#email-list .open', { hasText: 'Heron failing' }).waitFor();
  });

  it('gives up a dead message, shows it under "Given up", and stores it after Retry', async () => {
    await fixture.db.query(
      "update email_ledger set state = 'dead', attempt_count = 8, resolved_at = now() - interval '3 hours' where gmail_message_id = $1",
      [failing],
    );
    const { page, violations } = await fixture.open();
    await listed(page)
      .getByText('Dead since 3 h ago after 8 attempts: Gmail rejected the request.')
      .waitFor();
    await page.getByRole('button', { name: `Give up message ${failing}` }).click();
    await result(page, /^Given up\./);
    await page.locator('#messages-body').waitFor({ state: 'hidden' });
    await page.locator('#messages-toggle').click();
    await state(page, 'Given up').click();
    await listed(page).getByText('It is not retried automatically.').waitFor();
    expect(await page.getByRole('button', { name: `Give up message ${failing}` }).count()).toBe(0);
    await page.getByRole('button', { name: `Retry message ${failing}` }).click();
    await result(page, /^1 new email stored\.$/);
    await page.getByText('No message is given up.').waitFor();
    expect(violations).toEqual([]);
  });

  it('retries all failing messages with one button', async () => {
    await fixture.db.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, state, attempt_count, error_code, last_attempt_at)
       select id, '0123456789abcde0', 'history', 'dead', 8, 'gmail_refused', now() from mailboxes`,
    );
    const { page } = await fixture.open();
    await page.getByText('Sender and subject are not known: the message is no longer in Gmail.').waitFor();
    await page.getByRole('button', { name: 'Retry all' }).click();
    await result(page, /^1 new email stored\.$/);
    await fixture.db.query("delete from email_ledger where gmail_message_id = '0123456789abcde0'");
  });

  it('shows a failed retry in the row of its message, spoken, until the next action', async () => {
    const { page, violations } = await fixture.open({ viewport: { width: 400, height: 800 } });
    await page.route('**/retry', async (route) => await route.abort(), { times: 1 });
    const row = listed(page).first();
    await row.getByRole('button', { name: 'Retry' }).click();
    const error = row.locator('.error', { hasText: 'Retry: The server is not responding' });
    await error.waitFor();
    expect(await page.locator('#announcement').textContent()).toMatch(/^Retry: The server is not/);
    expect(await page.locator('#errors').textContent()).toBe('');
    await fixture.call('poll-now');
    await refresh(page);
    await page.locator('#messages-body').waitFor({ state: 'hidden' });
    expect(await page.locator('#messages > .errors .error').count()).toBe(1);
    await page.locator('#poll-now').click();
    await result(page, /^Nothing new/);
    expect(await page.locator('.error').count()).toBe(0);
    expect(violations).toEqual([]);
  });

  it('keeps the error of a message whose row changes, and shows that of "Retry all" in the section', async () => {
    await fixture.db.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, state, attempt_count, error_code, last_attempt_at)
       select id, '0123456789abcde0', 'history', 'dead', 8, 'gmail_refused', now() from mailboxes`,
    );
    const { page } = await fixture.open();
    await page.route('**/retry', async (route) => await route.abort());
    const row = listed(page).filter({ hasText: failing });
    await row.getByRole('button', { name: 'Retry' }).click();
    await row.locator('.error').waitFor();
    await fixture.db.query('update email_ledger set attempt_count = 4 where gmail_message_id = $1', [
      failing,
    ]);
    await fixture.db.query('update email_monitor_status set last_poll_at = now()');
    await refresh(page);
    await row.getByText('Waiting for its 5th attempt').waitFor();
    expect(await row.locator('.error').count()).toBe(1);
    await page.getByRole('button', { name: 'Retry all' }).click();
    await page.locator('#messages > .errors .error', { hasText: 'Retry all: ' }).waitFor();
    expect(await page.locator('.error').count()).toBe(1);
    await fixture.db.query("delete from email_ledger where gmail_message_id = '0123456789abcde0'");
  });

  it('shows the error of a retry in the section when its message has stopped failing in the meantime', async () => {
    await fixture.db.query(
      "update email_ledger set state = 'dead', attempt_count = 8, resolved_at = now() where gmail_message_id = $1",
      [failing],
    );
    const { page } = await fixture.open();
    await page.route('**/poll-now', async (route) => {
      await refresh(page);
      await page.locator('#messages-body').waitFor({ state: 'hidden' });
      await route.abort();
    });
    await listed(page).getByRole('button', { name: 'Retry' }).click();
    const error = page.locator('#messages > .errors .error', { hasText: 'Retry: The server' });
    await error.waitFor();
    expect(await page.locator('.error').count()).toBe(1);
  });

  it('shows the error of a found message in its row, and in the section after the search has ended', async () => {
    const { page } = await fixture.open();
    await searchFor(page, failing);
    await foundText(page, /^1 message found/);
    await page.route('**/retry', async (route) => await route.abort());
    await found(page).getByRole('button', { name: 'Retry' }).click();
    await found(page).locator('.error', { hasText: 'Retry: ' }).waitFor();
    await type(page, '');
    await page.locator('#messages > .errors .error').waitFor();
    expect(await page.locator('.error').count()).toBe(1);
  });

  it('shows the ignored messages with their reason, and counts them by rule', async () => {
    const { page } = await fixture.open();
    await state(page, 'Ignored').click();
    await listed(page).getByText('طلب شراء').waitFor();
    const row = listed(page).filter({ hasText: spam });
    expect(await row.innerText()).toMatch(
      /مكتب الأثاث[\s\S]*Ignored .* ago: in spam\.\s+If it is an order, mark it as “Not spam”/,
    );
    expect(
      await page.evaluate(
        '[...document.querySelectorAll("#message-list bdi")].map((bdi) => getComputedStyle(bdi).direction)',
      ),
    ).toContain('rtl');
    expect(await page.locator('#ignored-counts').innerText()).toMatch(
      /^Ignored in the last 7 days: 2 spam, 1 draft, 1 sent\.$/,
    );
    expect(await listed(page).filter({ hasText: 'Heron sent' }).innerText()).toMatch(
      /^To orders@example\.com/,
    );
    await page.locator('#message-rule').selectOption({ label: 'a draft' });
    await expect.poll(async () => await listed(page).count()).toBe(1);
    expect(await listed(page).innerText()).toContain('Heron draft');
    await state(page, 'Gone').click();
    await listed(page).getByText('Gone 3 h ago: Gmail no longer had it when it was to be fetched.').waitFor();
    expect(await listed(page).getByRole('link').count()).toBe(0);
    await state(page, 'Waiting').click();
    await page.getByText('No message waits.').waitFor();
  });

  it('searches Gmail after a pause in typing, and announces what is not stored', async () => {
    const { page, violations } = await fixture.open({ clock: true });
    await listed(page).first().waitFor();
    const requests: string[] = [];
    page.on('request', (request) => requests.push(`${request.url()} ${request.postData() ?? ''}`));
    const asked = () => requests.filter((request) => request.includes('messages/search'));
    for (const q of ['h', 'hero', 'heron']) {
      await type(page, q);
      await page.clock.fastForward(300);
    }
    expect(asked()).toEqual([]);
    await page.clock.fastForward(600);
    await foundText(page, /^3 messages found that are not stored\.$/);
    expect(await page.locator('#messages-body').isHidden()).toBe(true);
    expect(asked()).toHaveLength(1);
    expect(requests.filter((request) => /^\S*heron/i.test(request))).toEqual([]);
    expect((await found(page).allInnerTexts()).join()).toMatch(
      /Heron failing[\s\S]*Heron draft[\s\S]*Heron sent/,
    );
    expect(await page.locator('#found-text').getAttribute('role')).toBe('status');
    const above =
      'document.querySelector("#found-list").compareDocumentPosition(document.querySelector("#email-list"))';
    expect(await page.evaluate(above)).toBe(4);
    await type(page, '');
    await page.locator('#found').waitFor({ state: 'hidden' });
    expect(await found(page).count()).toBe(0);
    expect(await page.locator('#messages-body').isVisible()).toBe(true);
    expect(violations).toEqual([]);
  });

  it('keeps the found messages on the page while one of them changes', async () => {
    const { page, violations } = await fixture.open();
    await searchFor(page, 'heron');
    await foundText(page, /^3 messages found that are not stored\.$/);
    await fixture.db.query(
      `update email_ledger
       set attempt_count = 4, next_attempt_at = now() + interval '3 hours'
       where gmail_message_id = $1`,
      [failing],
    );
    await refresh(page);
    await found(page).getByText('Waiting for its 5th attempt').waitFor();
    expect(await page.locator('#found-text').innerText()).toBe('3 messages found that are not stored.');
    expect(violations).toEqual([]);
  });

  it.each([
    ['spam by its sender', 'office@furniture.example', 'in spam'],
    ['spam by a word from right to left', 'طلب', 'in spam'],
    ['spam by two Japanese characters', '注文', 'in spam'],
    ['a deleted message by its Gmail id', () => gone, 'Gone 3 h ago'],
    [
      'an erased message by its Gmail id',
      erased,
      'Erased 3 h ago: it was stored. An operator or the retention limit erased its content.',
    ],
    ['a failing message by its Gmail id', () => failing, 'Waiting for its 4th attempt'],
  ])('finds %s', async (_, words, text) => {
    const { page } = await fixture.open();
    await searchFor(page, typeof words === 'string' ? words : words());
    await foundText(page, /^1 message found that is not stored\.$/);
    expect(await found(page).innerText()).toContain(text);
  });

  it('does not say that nothing waits while the monitor is stopped', async () => {
    await fixture.call('stop');
    const { page } = await fixture.open();
    if (await page.locator('#messages-body').isHidden()) await page.locator('#messages-toggle').click();
    await page.locator('#messages-waiting').click();
    await page.locator('#messages-note', { hasText: 'More may wait in Gmail.' }).waitFor();
    expect(await page.locator('#message-list li').count()).toBe(0);
  });

  it('says of a message that waits, or fails, that its mailbox is paused', async () => {
    const [headers, body] = [
      { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' },
      JSON.stringify({ email_address: 'orders@example.com' }),
    ];
    const change = async (verb: string) =>
      await fetch(`${fixture.url}api/console/mailboxes/${verb}`, { method: 'POST', headers, body });
    await fixture.call('start');
    await fixture.pauseJob();
    await change('pause');
    try {
      await fixture.db.query(
        `insert into email_ledger (mailbox_id, gmail_message_id, source)
         select id, '0123456789abcded', 'history' from mailboxes`,
      );
      const { page } = await fixture.open();
      const row = listed(page).first();
      await row.getByText(/^Waiting for its 4th attempt at .* \(the mailbox is paused\): /).waitFor();
      await state(page, 'Waiting').click();
      await row.getByText(/^Waiting to be fetched, .*\. The mailbox is paused: press “Resume”/).waitFor();
    } finally {
      await fixture.db.query("delete from email_ledger where gmail_message_id = '0123456789abcded'");
      await change('resume');
    }
  });

  it('says of a message that was erased when that was, by words and by its Gmail id', async () => {
    const { id } = fixture.gmail.deliver(mail('Kestrel order'));
    await fixture.call('poll-now');
    await fixture.db.query('delete from incoming_emails where gmail_message_id = $1', [id]);
    await fixture.db.query(
      `update email_ledger
       set erased_at = now() - interval '3 hours', erased_sha256 = repeat('ab', 32)
       where gmail_message_id = $1`,
      [id],
    );
    const { page } = await fixture.open();
    for (const words of ['kestrel', id]) {
      await searchFor(page, words);
      await foundText(page, /^1 message found that is not stored\.$/);
      expect(await found(page).innerText()).toContain('Erased 3 h ago: it was stored');
    }
  });

  it('shows an unknown message while the monitor is stopped, until a poll stores it', async () => {
    await fixture.call('stop');
    const { id } = fixture.gmail.deliver(mail('Ibis order'));
    const { page } = await fixture.open();
    await searchFor(page, 'ibis');
    await foundText(page, /^1 message found/);
    expect(await found(page).innerText()).toMatch(
      new RegExp(
        `Ibis order[\\s\\S]*not found by the monitor yet\\. The monitor is stopped: press “Start” or “Poll now”\\.[\\s\\S]*${id}`,
      ),
    );
    await page.locator('#poll-now').click();
    await foundText(page, /^Gmail has no message with these words that is not stored\.$/);
    await fixture.call('start');
  });

  it('says what was not searched and what to do when Google rejects the token, and finds a Gmail id anyway', async () => {
    fixture.gmail.revokeRefreshToken();
    try {
      const { page } = await fixture.open();
      await searchFor(page, 'heron');
      await foundText(
        page,
        /^Gmail was not searched for messages that are not stored\. Gmail rejected the refresh token: .* Run npm run authorize/,
      );
      expect(await page.locator('#found').innerText()).not.toMatch(/no message/);
      await searchFor(page, gone);
      await foundText(page, /^1 message found that is not stored/);
    } finally {
      fixture.gmail.reauthorize(process.env['GMAIL_REFRESH_TOKEN'] ?? '');
      await fixture.call('poll-now');
    }
  });

  it('says that the search failed when the server does not answer', async () => {
    const { page } = await fixture.open();
    await page.route('**/messages/search', (route) => route.abort());
    await searchFor(page, 'heron');
    await foundText(page, /^Messages that are not stored were not searched\. The server is not responding/);
  });

  it('does not search for one character, nor for the words before a change', async () => {
    const { page } = await fixture.open();
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route('**/messages/search', async (route) => {
      await held;
      await route.continue();
    });
    await searchFor(page, 'heron');
    await foundText(page, /^Searching Gmail/);
    await type(page, 'he');
    release();
    await foundText(page, /^Gmail is searched for longer words only\.$/);
    expect(await found(page).count()).toBe(0);
  });

  it('can be used with the keyboard alone', async () => {
    const { page } = await fixture.open();
    await listed(page).first().waitFor();
    await page.locator('#messages-title').focus();
    await page.keyboard.press('Tab');
    expect(await page.locator('#messages-toggle:focus').count()).toBe(1);
    await page.keyboard.press('Enter');
    await page.locator('#messages-body').waitFor({ state: 'hidden' });
    expect(await page.locator('#messages-toggle').getAttribute('aria-expanded')).toBe('false');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    await expect.poll(async () => await state(page, 'Ignored').getAttribute('aria-pressed')).toBe('true');
    await listed(page).getByText('in spam').first().waitFor();
  });

  it.each([
    [360, 'light'],
    [390, 'dark'],
    [1280, 'light'],
    [1280, 'dark'],
  ] as const)(
    'fits on a screen of %i pixels in %s mode, without a serious accessibility violation',
    async (width, colorScheme) => {
      await fixture.db.query(
        "update email_ledger set error_detail = repeat('x', 300) where gmail_message_id = $1",
        [failing],
      );
      const long = fixture.gmail.deliver(mail(`Heron ${'x'.repeat(200)} ${'long subject '.repeat(20)}`), {
        labelIds: ['SPAM'],
      });
      try {
        const { page } = await fixture.open({ colorScheme, viewport: { width, height: 900 } });
        await listed(page).getByText('Heron failing').waitFor();
        await check(page, `failing-${width}-${colorScheme}`);
        await searchFor(page, 'heron');
        await foundText(page, /^4 messages found/);
        await page.locator('#messages-toggle').click();
        await state(page, 'Ignored').click();
        await listed(page).getByText('in spam').first().waitFor();
        await check(page, `search-${width}-${colorScheme}`);
      } finally {
        fixture.gmail.delete(long.id);
      }
    },
  );
});

/** As the search of stored emails announces its words. */
async function type(page: Page, q: string): Promise<void> {
  await page.evaluate(
    `document.dispatchEvent(new CustomEvent('search', { detail: { q: ${JSON.stringify(q)} } }))`,
  );
}

/** Types and presses Enter. */
async function searchFor(page: Page, q: string): Promise<void> {
  await type(page, q);
  await page.evaluate("document.dispatchEvent(new Event('submit'))");
}

async function foundText(page: Page, text: RegExp): Promise<void> {
  await page
    .locator('#found-text', { hasText: text })
    .waitFor({ timeout: 10_000 })
    .catch(async () => {
      throw new Error(`Expected ${text}, but the page shows: ${await page.locator('#messages').innerText()}`);
    });
}

async function result(page: Page, text: RegExp): Promise<void> {
  await page
    .locator('#result', { hasText: text })
    .waitFor({ timeout: 10_000 })
    .catch(async () => {
      throw new Error(`Expected ${text}, but the page shows: ${await page.locator('.controls').innerText()}`);
    });
}

async function check(page: Page, name: string): Promise<void> {
  const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
  const violations = await seriousViolations(page);
  const folder = process.env['SHOTS'];
  if (folder !== undefined) await page.locator('#messages').screenshot({ path: `${folder}/${name}.png` });
  expect([name, overflow, violations]).toEqual([name, 0, []]);
}
