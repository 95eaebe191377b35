/** The search and the filters of the email list in the browser. */
import { hash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  chromiumPath,
  createFixture,
  type Fixture,
  seriousViolations,
  titleOrSkipReason,
} from './console-fixture.ts';

const SCREENSHOTS = process.env['SCREENSHOTS_DIR'];

/** Subject, day of November 2026 in Berlin, mailbox, attachments, defects, processed. */
const EMAILS = [
  ['Bestellung Müller', '2026-11-20T00:00:00+01:00', 1, 1, [], true],
  ['注文書送付のお願い', '2026-11-19T23:59:59+01:00', 1, 0, [], false],
  ['Commande nº 12', '2026-11-18T12:00:00+01:00', 2, 17, ['encrypted'], true],
  ['Order 4711', '2026-10-02T12:00:00+02:00', 2, 3, [], true],
] as const;

describe.skipIf(chromiumPath === null)(titleOrSkipReason('the search of emails'), () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await createFixture();
    await fixture.call('start');
    await fixture.call('poll-now');
    await fixture.db.query('truncate incoming_emails cascade');
    await fixture.db.query(
      `insert into mailboxes (email_address, cursor_history_id) values ('verkauf@example.com', 1)`,
    );
    for (const email of EMAILS) await insert(fixture, email);
  });
  afterEach(async () => await fixture.closePages());
  afterAll(async () => await fixture.close());

  it('finds an email without its accents and a word inside a run of Japanese, and puts no word into a URL', async () => {
    const { page, violations } = await fixture.open();
    const urls: string[] = [];
    page.on('request', (request) => urls.push(request.url()));
    await search(page, 'muller');
    await expectSubjects(page, ['Bestellung Müller']);
    await search(page, '注文書');
    await expectSubjects(page, ['注文書送付のお願い']);
    await search(page, `<message-${hash('md5', 'Commande nº 12')}@example.com>`);
    await expectSubjects(page, ['Commande nº 12']);
    urls.push(page.url());
    expect(urls.filter((url) => /muller|%E6|message-2/i.test(url))).toEqual([]);
    expect(violations).toEqual([]);
  });

  it('jumps to a date of the time zone of the browser, says so, and shows the whole list again when the filter is removed', async () => {
    const { page } = await fixture.open();
    const all = EMAILS.map(([subject]) => subject);
    await expectSubjects(page, all);
    expect(await page.locator('#email-count').textContent()).toBe('All 4 emails.');
    await page.getByLabel('Jump to date').fill('2026-11-19');
    await expectSubjects(page, all.slice(1));
    expect(await page.locator('#email-count').textContent()).toBe('3 emails found: up to 19 Nov 2026.');
    await page.getByLabel('Not before').fill('2026-11-18');
    await expectSubjects(page, all.slice(1, 3));
    await page.getByRole('button', { name: 'Remove the filter: up to 19 Nov 2026' }).click();
    await expectSubjects(page, all.slice(0, 3));
    expect(await page.getByLabel('Jump to date').inputValue()).toBe('');
    expect(await page.locator('#search:focus').count()).toBe(1);
    await page.getByRole('button', { name: 'Remove the filter: from 18 Nov 2026' }).click();
    await expectSubjects(page, all);
  });

  it('combines words and filters, and shows each active filter', async () => {
    const { page } = await fixture.open();
    await search(page, 'order');
    await page.getByRole('checkbox', { name: 'With attachments' }).check();
    await expectSubjects(page, ['Order 4711']);
    await page.getByRole('checkbox', { name: 'With defects' }).check();
    await expectSubjects(page, []);
    expect(await page.locator('#email-count').textContent()).toBe(
      '0 emails found: with attachments, with defects.',
    );
    await search(page, '');
    await expectSubjects(page, ['Commande nº 12']);
    await page.getByRole('checkbox', { name: 'With defects' }).uncheck();
    await page.getByRole('checkbox', { name: 'With attachments' }).uncheck();
    await page.getByRole('combobox', { name: 'Processed' }).selectOption('Not processed');
    await expectSubjects(page, ['注文書送付のお願い']);
    expect(await page.locator('#active-filters').innerText()).toBe('not processed');
  });

  it('filters by mailbox and names the mailbox of each email, only when there are several mailboxes', async () => {
    const { page } = await fixture.open();
    await page.getByRole('combobox', { name: 'Mailbox' }).selectOption('verkauf@example.com');
    await expectSubjects(page, ['Commande nº 12', 'Order 4711']);
    expect(await page.locator('.email-mailbox').first().textContent()).toBe('Mailbox verkauf@example.com');
    await page.route('**/api/console/overview', async (route) => {
      const headers = { ...route.request().headers(), 'sec-fetch-site': 'same-origin' };
      const { status, ...rest } = await (await route.fetch({ headers })).json();
      await route.fulfill({
        json: { ...rest, status: { ...status, mailboxes: status.mailboxes.slice(0, 1) } },
      });
    });
    await page.goto(`${fixture.url}?new-entry`);
    await page.locator('html[data-ready]').waitFor();
    await expectSubjects(
      page,
      EMAILS.map(([subject]) => subject),
    );
    expect(await page.getByRole('combobox', { name: 'Mailbox' }).isVisible()).toBe(false);
    expect(await page.locator('.email-mailbox').count()).toBe(0);
  });

  it('shows three files of an email and the number of the others, which opens the email', async () => {
    const { page } = await fixture.open();
    const row = page.locator('#email-list > li', { hasText: 'Commande' });
    await row.waitFor();
    expect(await row.locator('.attachments a:not(.more-files)').count()).toBe(3);
    expect(await page.locator('#email-list > li', { hasText: '4711' }).locator('.more-files').count()).toBe(
      0,
    );
    const more = row.getByRole('link', { name: '+ 14 more attachments of Commande nº 12' });
    expect(await more.textContent()).toBe('+ 14 more');
    await more.click();
    await page.locator('#email-body').getByText('17 files').waitFor();
  });

  it('keeps words and filters during a visit to another page and a reload', async () => {
    const { page } = await fixture.open();
    await search(page, 'order');
    await page.getByRole('combobox', { name: 'Mailbox' }).selectOption('verkauf@example.com');
    await page.getByRole('checkbox', { name: 'With attachments' }).check();
    await expectSubjects(page, ['Order 4711']);
    const url = page.url();
    await page.goto(`${fixture.url}api/openapi.json`);
    await page.goBack();
    for (const again of [async () => await page.reload(), null]) {
      await expectSubjects(page, ['Order 4711']);
      expect(await page.locator('#search').inputValue()).toBe('order');
      expect(await page.getByRole('combobox', { name: 'Mailbox' }).inputValue()).toBe('verkauf@example.com');
      expect(await page.locator('#active-filters li').allInnerTexts()).toEqual([
        'verkauf@example.com',
        'with attachments',
      ]);
      expect(page.url()).toBe(url);
      await again?.();
    }
  });

  it('announces the words to the other parts of the page, once per change, and at a restored start', async () => {
    const { page } = await fixture.open();
    await page.addInitScript(
      `window.announced = []; document.addEventListener('search', (event) => announced.push(event.detail?.q ?? null))`,
    );
    await page.reload();
    await page.locator('html[data-ready]').waitFor();
    expect(await page.evaluate('announced')).toEqual([]);
    await page.locator('#search').fill('order');
    await page.locator('#search').press('Enter');
    await expectSubjects(page, ['Order 4711']);
    await page.getByRole('checkbox', { name: 'With attachments' }).check();
    await page.locator('#active-filters li').waitFor();
    expect(await page.evaluate('announced')).toEqual(['order', 'order']);
    await page.reload();
    await expectSubjects(page, ['Order 4711']);
    expect(await page.evaluate('announced')).toEqual(['order']);
  });

  it('inserts a new email at its place in the list and keeps the focus', async () => {
    const { page } = await fixture.open({ clock: true });
    await page.locator('#email-list > li:nth-child(3) .open').focus();
    await insert(fixture, ['Between', '2026-11-19T12:00:00+01:00', 1, 0, [], true]);
    await fixture.db.query(
      'update email_monitor_status set emails_processed_total = emails_processed_total + 1',
    );
    await page.clock.fastForward(5_000);
    const [first, second, ...others] = EMAILS.map(([subject]) => subject);
    await expectSubjects(page, [first ?? '', second ?? '', 'Between', ...others]);
    expect(await page.locator('#email-list > li:nth-child(4) .open:focus').count()).toBe(1);
    await fixture.db.query(`delete from incoming_emails where subject = 'Between'`);
  });

  it('loads older emails of a filtered list to its end, each once', async () => {
    await fixture.db.query(
      `with added as (
         insert into incoming_emails
           (mailbox_id, gmail_message_id, subject, received_at, size_bytes, attachment_count, parser_version, processed)
         select 1, 'many' || n, 'Many ' || n, '2026-01-01Z'::timestamptz - n % 7 * interval '1 day', 1, 0, 1, true
         from generate_series(1, 60) n
         returning id, received_at, mailbox_id, subject
       )
       insert into email_search (email_id, received_at, mailbox_id, search_words)
       select id, received_at, mailbox_id, email_words(subject) from added`,
    );
    const { page } = await fixture.open();
    await page.getByLabel('Jump to date').fill('2026-01-01');
    await page.getByText('25 emails found so far').waitFor();
    await page.locator('#older').click();
    await page.getByText('50 emails found so far').waitFor();
    await page.locator('#older').press('Enter');
    await page.getByText('60 emails found:').waitFor();
    const subjects = await page.locator('#email-list .subject').allTextContents();
    expect(new Set(subjects).size).toBe(60);
    expect(await page.locator('#email-list > li:last-child .open:focus').count()).toBe(1);
    await fixture.db.query(`delete from incoming_emails where subject like 'Many %'`);
  });

  it('searches a part of a large list at a time, says how far it has searched, and continues on request', async () => {
    const { page } = await fixture.open();
    const positions: (string | undefined)[] = [];
    await page.route('**/api/console/emails/search', async (route) => {
      positions.push(route.request().postDataJSON().before);
      const day = 20 - Math.floor(positions.length / 8);
      await route.fulfill({
        json: { emails: [], next_before: `${Date.UTC(2026, 9, day, 12, 0, positions.length) * 1_000}.1` },
      });
    });
    await page.getByRole('checkbox', { name: 'With defects' }).check();
    await page.getByText('0 emails found so far, back to 19 Oct 2026: with defects.').waitFor();
    expect(positions).toHaveLength(8);
    await page.locator('#older').click();
    await page.getByText('0 emails found so far, back to 18 Oct 2026: with defects.').waitFor();
    expect(new Set(positions).size).toBe(16);
  });

  it('opens the filters on a phone with the keyboard alone', async () => {
    const { page } = await fixture.open({ viewport: { width: 360, height: 740 } });
    const date = page.getByLabel('Jump to date');
    expect(await date.isVisible()).toBe(false);
    await page.locator('#search').focus();
    await page.keyboard.press('Tab');
    expect(await page.locator('#filter-toggle:focus').getAttribute('aria-expanded')).toBe('false');
    await page.keyboard.press('Enter');
    expect(await date.isVisible()).toBe(true);
    expect(await page.locator('#filter-toggle').getAttribute('aria-expanded')).toBe('true');
    await page.getByRole('checkbox', { name: 'With defects' }).focus();
    await page.keyboard.press('Space');
    await expectSubjects(page, ['Commande nº 12']);
    expect(await page.locator('#filter-toggle').textContent()).toBe('Filters (1)');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await expectSubjects(
      page,
      EMAILS.map(([subject]) => subject),
    );
  });

  it.each([
    [360, 'light'],
    [390, 'dark'],
    [1_280, 'light'],
    [1_280, 'dark'],
  ] as const)(
    'fits into %i pixels and has no serious accessibility problem in %s',
    async (width, colorScheme) => {
      const { page, violations } = await fixture.open({ viewport: { width, height: 900 }, colorScheme });
      if (width < 640) await page.locator('#filter-toggle').click();
      await page.getByLabel('Not before').fill('2026-10-01');
      await page.getByRole('checkbox', { name: 'With attachments' }).check();
      await page.locator('#active-filters li').nth(1).waitFor();
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
      expect(await seriousViolations(page, ['#find', '#emails'])).toEqual([]);
      expect(violations).toEqual([]);
      if (SCREENSHOTS === undefined) return;
      mkdirSync(SCREENSHOTS, { recursive: true });
      await page.locator('#emails').screenshot({ path: `${SCREENSHOTS}/search-${width}-${colorScheme}.png` });
    },
  );
});

async function search(page: Page, text: string): Promise<void> {
  await page.locator('#search').fill(text);
  await page.locator('#search').press('Enter');
}

async function expectSubjects(page: Page, subjects: readonly string[]): Promise<void> {
  await expect
    .poll(async () => await page.locator('#email-list .subject').allTextContents(), { timeout: 10_000 })
    .toEqual(subjects);
}

async function insert(
  { db }: Fixture,
  [subject, receivedAt, mailbox, fileCount, defects, processed]: readonly [
    string,
    string,
    number,
    number,
    readonly string[],
    boolean,
  ],
): Promise<void> {
  await db.query(
    `with added as (
       insert into incoming_emails
         (mailbox_id, gmail_message_id, rfc822_message_id, sender, sender_address, subject, received_at, size_bytes,
          attachment_count, parser_version, defects, processed)
       select $3::integer, md5($1::text), '<message-' || md5($1::text) || '@example.com>', 'Jörg Käufer <j@example.com>',
              'j@example.com', $1::text, $2::timestamptz, 1, $4::integer, 1, $5::text[], $6::boolean
       returning id, received_at, mailbox_id, sender, subject
     ),
     files as (
       insert into email_attachments (email_id, part_path, filename, content_type, file_data, file_size_bytes, sha256)
       select id, n::text, 'order-' || n || '.pdf', 'application/pdf', '', 0, repeat('0', 64)
       from added, generate_series(1, $4::integer) n
     )
     insert into email_search (email_id, received_at, mailbox_id, search_words)
     select id, received_at, mailbox_id, email_search_words(sender, null, subject, null) from added`,
    [subject, receivedAt, mailbox, fileCount, defects, processed],
  );
}
