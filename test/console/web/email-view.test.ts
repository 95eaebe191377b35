/** The view of one email under its own URL, in a real browser on the real local stack. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import PDFDocument from 'pdfkit';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { workerOf } from '../../helpers/email-queue.ts';
import { mail, order } from '../../helpers/test-emails.ts';
import {
  chromiumPath,
  createFixture,
  type Fixture,
  type OpenOptions,
  seriousViolations,
  titleOrSkipReason,
} from './console-fixture.ts';
import { relatedEmail, rightToLeftEmail } from './readable-emails.ts';

describe.skipIf(chromiumPath === null)(titleOrSkipReason('the view of one email'), () => {
  let fixture: Fixture;
  let ids: Readonly<Record<'order' | 'related' | 'rtl' | 'hostile' | 'large' | 'plain', number>>;
  beforeAll(async () => {
    fixture = await createFixture({ needsPdfViewer: true });
    await fixture.call('start');
    for (let n = 0; n < 30; n += 1) fixture.gmail.deliver(order(n));
    await fixture.call('poll-now');
    // Stored later, so that the list shows them first.
    const delivered = {
      order: fixture.gmail.deliver(orderWithFiles(await redPdf())).id,
      related: fixture.gmail.deliver(relatedEmail()).id,
      rtl: fixture.gmail.deliver(rightToLeftEmail()).id,
      hostile: fixture.gmail.deliver(hostilePdf()).id,
      large: fixture.gmail.deliver(order('large')).id,
      plain: fixture.gmail.deliver(mail('Newest')).id,
    };
    await fixture.call('poll-now');
    const { rows } = await fixture.db.query<{ id: number; gmail_message_id: string }>(
      'select id, gmail_message_id from incoming_emails',
    );
    const idOf = (gmailId: string) => rows.find((row) => row.gmail_message_id === gmailId)?.id ?? 0;
    ids = Object.fromEntries(
      Object.entries(delivered).map(([name, gmailId]) => [name, idOf(gmailId)]),
    ) as typeof ids;
  });
  beforeEach(async () => {
    await fixture.db.query('delete from consumers');
    await fixture.db.query('delete from email_queue');
    await fixture.db.query('delete from email_results');
    await fixture.db.query('update incoming_emails set processed = false where processed');
  });
  afterEach(async () => await fixture.closePages());
  afterAll(async () => await fixture.close());

  const openEmail = async (name: keyof typeof ids, options: OpenOptions = {}) => {
    const opened = await fixture.open({ ...options, path: `emails/${ids[name]}` });
    await opened.page.locator('#email .facts').first().waitFor();
    return opened;
  };
  const emailUrl = (name: keyof typeof ids) => `${fixture.url}emails/${ids[name]}`;
  const link = (page: Page, name: keyof typeof ids) =>
    page.locator(`#email-list .open[href="/emails/${ids[name]}"]`);

  describe('its URL', () => {
    it('changes with a click, and goes back to the same place and focus of the list, and forward', async () => {
      const { page, violations } = await fixture.open({ viewport: { width: 1000, height: 500 } });
      await link(page, 'order').scrollIntoViewIfNeeded();
      const scrollY = await page.evaluate('scrollY');
      expect(scrollY).toBeGreaterThan(100);
      await link(page, 'order').click();
      await page.locator('#email .facts').first().waitFor();
      expect(page.url()).toBe(emailUrl('order'));
      expect(await page.evaluate('scrollY')).toBe(0);
      expect(await page.locator('#email-subject:focus').textContent()).toBe('An order with files');
      expect(await page.title()).toMatch(/^An order with files · .+ · Email Monitor$/);
      expect(await page.locator('#emails').isVisible()).toBe(false);
      // The state stays, in short form.
      expect(await page.locator('h1').isVisible()).toBe(true);
      await page.goBack();
      await page.locator('#email').waitFor({ state: 'hidden' });
      expect(page.url()).toBe(fixture.url);
      expect(await page.evaluate('scrollY')).toBe(scrollY);
      expect(await link(page, 'order').and(page.locator(':focus')).count()).toBe(1);
      expect(await page.title()).not.toContain('An order');
      await page.goForward();
      await page.locator('#email .facts').first().waitFor();
      expect(await page.locator('#email-subject').textContent()).toBe('An order with files');
      expect(violations).toEqual([]);
    });

    it('can be loaded again, and leads to the list without loading it before', async () => {
      const lists: string[] = [];
      const { page, violations } = await openEmail('order');
      page.on('request', (request) => lists.push(new URL(request.url()).pathname));
      await page.reload();
      await page.locator('#email .facts').first().waitFor();
      await page.locator('html[data-ready]').waitFor();
      expect(page.url()).toBe(emailUrl('order'));
      expect(lists.filter((path) => path === '/api/console/emails')).toEqual([]);
      await page.getByRole('link', { name: 'Back to the list' }).click();
      await link(page, 'plain').waitFor();
      expect(page.url()).toBe(fixture.url);
      // The charts are loaded independently of the list.
      await page.locator('#email-chart canvas').waitFor();
      expect(violations).toEqual([]);
    });

    it('opens in a new tab', async () => {
      const { page } = await fixture.open();
      await link(page, 'plain').waitFor();
      const [tab] = await Promise.all([
        page.context().waitForEvent('page'),
        link(page, 'plain').click({ modifiers: ['ControlOrMeta'] }),
      ]);
      await tab.locator('#email .facts').first().waitFor();
      expect([page.url(), tab.url()]).toEqual([fixture.url, emailUrl('plain')]);
    });

    it('says that an unknown or erased email does not exist', async () => {
      const { page } = await fixture.open({ path: 'emails/2000000000' });
      await page.getByRole('heading', { name: 'There is no email 2000000000' }).waitFor();
      await page.getByText('It was erased, or the address is wrong.').waitFor();
      expect(await page.locator('#email-subject:focus').count()).toBe(1);
      const response = await page.goto(`${fixture.url}emails/abc`);
      expect(response?.status()).toBe(404);
    });

    it('shows why an email cannot be loaded, and tries again', async () => {
      const { page } = await fixture.open();
      await page.route('**/api/console/emails/*', (route) => route.abort());
      await link(page, 'plain').click();
      await page.getByRole('heading', { name: 'The server is not responding' }).waitFor();
      await page.unroute('**/api/console/emails/*');
      await page.locator('#email').getByRole('button', { name: 'Try again' }).click();
      await page.getByRole('heading', { name: 'Newest' }).waitFor();
    });

    it('can be used with the keyboard alone', async () => {
      const { page } = await fixture.open();
      await link(page, 'order').focus();
      await page.keyboard.press('Enter');
      await page.locator('#email .facts').first().waitFor();
      await tabTo(page, '#email .files button');
      await page.keyboard.press('Enter');
      expect(await page.locator('#email .files button').first().getAttribute('aria-expanded')).toBe('true');
      await page.keyboard.press('Enter');
      expect(await page.locator('#email .files button').first().getAttribute('aria-expanded')).toBe('false');
      // Pressed twice before the browser goes back, it does not leave the page.
      await page.evaluate(
        `for (const _press of [1, 2]) document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }))`,
      );
      await page.locator('#email').waitFor({ state: 'hidden' });
      expect(await link(page, 'order').and(page.locator(':focus')).count()).toBe(1);
      await page.keyboard.press('Escape');
      expect(page.url()).toBe(fixture.url);
    });
  });

  describe('its text', () => {
    it('has the direction of each line, and keeps addresses and the subject apart from their surroundings', async () => {
      const { page, violations } = await openEmail('rtl');
      expect(await page.locator('#email-subject bdi').textContent()).toBe('طلبية رقم 4711');
      expect(await page.locator('#email .facts bdi').first().textContent()).toContain('يوسف');
      // The distance of the first character of each line from the left edge of the text, as a share of its width.
      const starts = (await page.evaluate(`(() => {
        const text = document.querySelector('#email .text');
        const box = text.getBoundingClientRect();
        const node = text.firstChild;
        return ['שלום', 'Please', 'نرجو'].map((word) => {
          const range = document.createRange();
          const at = node.data.indexOf(word);
          range.setStart(node, at);
          range.setEnd(node, at + 1);
          return (range.getBoundingClientRect().left - box.left) / box.width;
        });
      })()`)) as number[];
      expect(starts[0]).toBeGreaterThan(0.9);
      expect(starts[1]).toBeLessThan(0.1);
      expect(starts[2]).toBeGreaterThan(0.9);
      expect(violations).toEqual([]);
    });

    it('shows the images inside the email in its HTML', async () => {
      const { page, violations } = await openEmail('related');
      await page.getByRole('button', { name: 'Show HTML' }).click();
      const images = page.locator('#email iframe').contentFrame().locator('img');
      await images.first().waitFor();
      const widths = await images.evaluateAll((all) =>
        all.map((image) => (image as unknown as { naturalWidth: number }).naturalWidth),
      );
      expect(widths).toEqual([2, 2]);
      const background = page.locator('#email iframe').contentFrame().locator('#background');
      const image = await background.evaluate(
        (one) =>
          (
            globalThis as unknown as { getComputedStyle(of: unknown): { backgroundImage: string } }
          ).getComputedStyle(one).backgroundImage,
      );
      expect(image).toMatch(/^url\("data:image\/png;base64,/);
      await page.getByRole('button', { name: 'Hide HTML' }).click();
      expect(await page.locator('#email iframe').count()).toBe(0);
      expect(violations).toEqual([]);
    });

    it('links to the message in Gmail, in a new tab that knows nothing of this page', async () => {
      const { page } = await openEmail('plain');
      const gmail = page.getByRole('link', { name: 'Open in Gmail' });
      const { rows } = await fixture.db.query<{ id: string }>(
        'select gmail_message_id as id from incoming_emails where id = $1',
        [ids.plain],
      );
      expect(await gmail.getAttribute('href')).toBe(
        `https://mail.google.com/mail/?authuser=orders%40example.com#all/${rows[0]?.id}`,
      );
      expect([await gmail.getAttribute('rel'), await gmail.getAttribute('target')]).toEqual([
        'noopener noreferrer',
        '_blank',
      ]);
    });
  });

  describe('its files', () => {
    it('shows a picture on request, and records it', async () => {
      const { page, violations } = await openEmail('order');
      const requested: string[] = [];
      page.on('request', (request) => requested.push(request.url()));
      expect(await page.locator('#email img').count()).toBe(0);
      await fixture.db.query('truncate email_accesses');
      const control = page.getByRole('button', { name: 'Show photo.png' });
      await control.click();
      const image = page.locator('#email .files img');
      await expect
        .poll(
          async () =>
            await image.evaluate((one) => (one as unknown as { naturalWidth: number }).naturalWidth),
        )
        .toBe(2);
      expect(requested.filter((url) => url.includes('/preview')).length).toBe(1);
      const { rows } = await fixture.db.query('select action, email_id from email_accesses');
      expect(rows).toEqual([{ action: 'preview', email_id: ids.order }]);
      await page.getByRole('button', { name: 'Hide photo.png' }).click();
      expect(await image.count()).toBe(0);
      expect(violations).toEqual([]);
    });

    it('shows a PDF in the viewer of the browser', async () => {
      const { page, violations } = await openEmail('order', { viewport: { width: 1000, height: 900 } });
      await page.getByRole('button', { name: 'Show order.pdf' }).click();
      const frame = page.locator('#email iframe.pdf');
      expect(await frame.getAttribute('sandbox')).toBeNull();
      // The page of the PDF is red.
      await expect
        .poll(async () => await redShare(page, await frame.screenshot()), { timeout: 20_000 })
        .toBeGreaterThan(0.3);
      const [tab] = await Promise.all([
        page.context().waitForEvent('page'),
        page.getByRole('link', { name: 'Open the PDF in a new tab' }).click(),
      ]);
      await expect
        .poll(async () => await redShare(page, await tab.screenshot()), { timeout: 20_000 })
        .toBeGreaterThan(0.1);
      // The viewer is a part of Chromium, which has its own origins.
      expect(violations.filter((one) => !/^request chrome(-extension)?:/.test(one))).toEqual([]);
    });

    it('runs nothing of a file that only says that it is a PDF, and offers it as a download', async () => {
      const { page, violations } = await openEmail('hostile');
      expect(await page.locator('#email .files li').allTextContents()).toEqual([
        expect.stringContaining('invoice.pdf'),
        expect.stringContaining('drawing.svg'),
      ]);
      expect(await page.locator('#email .files button').count()).toBe(0);
      const path = await page.locator('#email .files a').first().getAttribute('href');
      const response = await page.goto(new URL(`${path}/preview`, fixture.url).href);
      expect(response?.status()).toBe(404);
      expect(await page.evaluate('window.hacked')).toBeUndefined();
      expect(violations).toEqual([]);
    });

    it('downloads all files as one zip with the bytes that are stored', async () => {
      const { page, violations } = await openEmail('order');
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name: 'Download all files as one zip' }).click(),
      ]);
      expect(download.suggestedFilename()).toBe(`email-${ids.order}.zip`);
      const files = Object.values(unzipSync(readFileSync(await download.path())));
      const { rows } = await fixture.db.query<{ sha256: string }>(
        'select sha256 from email_attachments where email_id = $1 order by id',
        [ids.order],
      );
      expect(rows.length).toBe(3);
      expect(files.map((bytes) => createHash('sha256').update(bytes).digest('hex'))).toEqual(
        rows.map(({ sha256 }) => sha256),
      );
      expect(violations).toEqual([]);
    });
  });

  it('breaks the connection of a zip whose file is erased during the download', async () => {
    await fixture.db.query(
      `update email_attachments
       set file_data = convert_to(repeat('x', 40 * 1048576), 'UTF8'), file_size_bytes = 40 * 1048576
       where email_id = $1`,
      [ids.large],
    );
    const response = await fetch(`${fixture.url}api/console/emails/${ids.large}/files.zip`, {
      headers: { 'sec-fetch-site': 'none' },
    });
    expect([response.status, response.headers.get('content-length')]).toEqual([200, null]);
    const reader = response.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    await fixture.db.query('delete from email_attachments where email_id = $1', [ids.large]);
    const readAll = async () => {
      while ((await reader?.read())?.done === false);
    };
    await expect(readAll()).rejects.toThrow('terminated');
  });

  describe('its history and processing', () => {
    const historyOf = async (page: Page) =>
      (await page.locator('#email .history').innerText()).replaceAll(/\s+/g, ' ');

    it('shows when it was received, discovered, stored, queued, claimed and completed', async () => {
      await fixture.db.query(
        `update email_ledger l
         set attempt_count = 2, last_attempt_at = l.discovered_at
         from incoming_emails e
         where e.id = $1 and e.gmail_message_id = l.gmail_message_id`,
        [ids.plain],
      );
      await claim('archive', ids.plain);
      await workerOf(fixture.db, 'archive', 'worker-1').complete(ids.plain);
      await claim('extraction', ids.plain);
      const { page } = await openEmail('plain');
      const text = await historyOf(page);
      for (const part of [
        'Received by Gmail.',
        /Discovered (in|by) .*\./,
        'Last of 2 failed attempts to fetch and store it.',
        'Stored.',
        'archive: completed by worker-1.',
        'extraction: queued.',
        'extraction: the claim of worker-1 expires.',
      ])
        expect(text).toMatch(part);
      expect(text.indexOf('Received')).toBeLessThan(text.indexOf('Stored.'));
      expect(text).not.toContain('Time unknown');
    });

    it('says that a time is unknown instead of inventing one', async () => {
      await fixture.db.query('update incoming_emails set processed = true where id = $1', [ids.plain]);
      const { page } = await openEmail('plain');
      expect(await historyOf(page)).toContain('Time unknown Marked as processed.');
    });

    it('processes a waiting email again at once, and a completed one after a confirmation', async () => {
      await claim('archive', ids.plain);
      const worker = workerOf(fixture.db, 'archive', 'worker-1');
      await worker.fail(ids.plain, 'no total');
      const { page, violations } = await openEmail('plain');
      const processing = page.locator('#email .processing');
      await processing.getByRole('button', { name: 'Process again (archive)' }).click();
      await processing.getByText('Queued again. The workers of archive get it next.').waitFor();
      // It is due at once.
      expect(await page.locator('#email').innerText()).not.toContain('next attempt');
      expect(await processing.innerText()).not.toContain('failure');
      expect(await page.locator('#email-processing-title:focus').count()).toBe(1);
      await claim('archive', ids.plain);
      await worker.complete(ids.plain);
      await page.reload();
      await processing.getByRole('button', { name: 'Process again (archive)' }).click();
      await processing
        .getByText('archive has completed this email. It does the work a second time.')
        .waitFor();
      // Escape leaves the question, not the email.
      await page.keyboard.press('Escape');
      await processing.getByRole('button', { name: 'Process again (archive)' }).press('Enter');
      expect(await queueOf(ids.plain)).toEqual([]);
      await processing.getByRole('button', { name: 'Process again anyway' }).click();
      await processing.getByText('Queued again.').waitFor();
      expect(await queueOf(ids.plain)).toEqual([{ consumer: 'archive', state: 'waiting' }]);
      expect(violations).toEqual([]);
    });

    it('offers no second processing while a worker has the email, and shows the problem when one just got it', async () => {
      await claim('archive', ids.plain);
      const { page } = await openEmail('plain');
      const again = page.locator('#email .processing').getByRole('button', { name: 'Process again' });
      expect(await again.count()).toBe(0);
      await workerOf(fixture.db, 'archive', 'worker-1').release(ids.plain);
      await page.reload();
      await again.waitFor();
      await claim('archive', ids.plain);
      await again.click();
      await page
        .locator('#email .processing .error', { hasText: 'A worker has claimed the email' })
        .waitFor();
    });

    it('sets processed back without any consumer, after a confirmation', async () => {
      await fixture.db.query('update incoming_emails set processed = true where id = $1', [ids.plain]);
      const { page } = await openEmail('plain');
      await page.getByRole('button', { name: 'Set to not processed' }).click();
      await page.getByRole('button', { name: 'Set to not processed anyway' }).click();
      await page.getByText('The email is not processed now.').waitFor();
      const { rows } = await fixture.db.query('select processed from incoming_emails where id = $1', [
        ids.plain,
      ]);
      expect(rows).toEqual([{ processed: false }]);
    });

    it('parses the email again, and says what changed', async () => {
      const { page, violations } = await openEmail('order');
      const parse = page.getByRole('button', { name: 'Parse again' });
      await parse.click();
      await page.getByText('Nothing changed.').waitFor();
      await fixture.db.query("update incoming_emails set subject = 'Wrong', processed = true where id = $1", [
        ids.order,
      ]);
      await fixture.db.query(
        "update email_attachments set filename = 'old.pdf' where email_id = $1 and filename = 'order.pdf'",
        [ids.order],
      );
      await page.reload();
      await page.getByRole('heading', { name: 'Wrong' }).waitFor();
      await parse.click();
      await page.getByText('Changed columns: subject.').waitFor();
      expect(await page.locator('#email .outcome li').allTextContents()).toEqual([
        'File changed: order.pdf (filename)',
      ]);
      expect(await page.locator('#email-subject').textContent()).toBe('An order with files');
      expect(await page.locator('#email .files').innerText()).toContain('order.pdf');
      const { rows } = await fixture.db.query('select processed from incoming_emails where id = $1', [
        ids.order,
      ]);
      expect(rows).toEqual([{ processed: true }]);
      expect(violations).toEqual([]);
    });

    async function claim(consumer: string, id: number): Promise<void> {
      while (!(await workerOf(fixture.db, consumer, 'worker-1').claim(100)).includes(id));
      await fixture.db.query('update consumers set is_adding_older = false');
    }

    async function queueOf(id: number): Promise<unknown[]> {
      return (await fixture.db.query('select consumer, state from email_queue where email_id = $1', [id]))
        .rows;
    }
  });

  it.each([
    [360, 'light'],
    [390, 'dark'],
    [1_280, 'light'],
    [1_280, 'dark'],
  ] as const)(
    'fits a %i px screen without a serious accessibility violation in %s mode',
    async (width, colorScheme) => {
      await workerOf(fixture.db, 'archive', 'worker-1').claim(100);
      for (const name of ['order', 'rtl', 'related'] as const) {
        const { page } = await openEmail(name, { colorScheme, viewport: { width, height: 800 } });
        if (name === 'order') {
          await page.getByRole('button', { name: 'Show photo.png' }).click();
          await page.locator('#email .files img').waitFor();
        }
        if (name === 'related') {
          await page.getByRole('button', { name: 'Show HTML' }).click();
          await page.locator('#email iframe').contentFrame().locator('img').first().waitFor();
        }
        const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        const serious = await seriousViolations(page);
        expect([name, overflow, serious]).toEqual([name, 0, []]);
      }
    },
  );
});

/** Fails when the tab order skips the element. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < 40; presses += 1) {
    if ((await page.locator(selector).first().and(page.locator(':focus')).count()) === 1) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`${selector} is not reached after 40 presses of Tab.`);
}

/** The share of red pixels of a PNG, which a page of the same browser decodes. */
async function redShare(page: Page, png: Buffer): Promise<number> {
  const decoder = await page.context().newPage();
  const share = (await decoder.evaluate(`(async () => {
    const bytes = Uint8Array.from(atob('${png.toString('base64')}'), (character) => character.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) if (data[at] > 150 && data[at + 1] < 60 && data[at + 2] < 60) count += 1;
    return count / (data.length / 4);
  })()`)) as number;
  await decoder.close();
  return share;
}

async function redPdf(): Promise<Buffer> {
  const document = new PDFDocument();
  const parts: Buffer[] = [];
  document.on('data', (part: Buffer) => parts.push(part));
  document.rect(0, 0, 612, 792).fill('#cc0000');
  document.fill('white').fontSize(40).text('Order 4711', 80, 80);
  const ended = new Promise((resolve) => document.on('end', resolve));
  document.end();
  await ended;
  return Buffer.concat(parts);
}

/** Two pixels wide. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAD0lEQVR4nGO45mpq3XQNAAnDAuR7zamWAAAAAElFTkSuQmCC';

function orderWithFiles(pdf: Buffer): Buffer {
  const file = (type: string, name: string, base64: string) => [
    '--b',
    `Content-Type: ${type}; name="${name}"`,
    'Content-Disposition: attachment',
    'Content-Transfer-Encoding: base64',
    '',
    ...(base64.match(/.{1,76}/g) ?? []),
  ];
  return mail('An order with files', [
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'Ten chairs, please.',
    ...file('application/octet-stream', 'order.pdf', pdf.toString('base64')),
    ...file('image/png', 'photo.png', PNG),
    ...file('text/csv', 'lines.csv', Buffer.from('article,count\r\nchair,10\r\n').toString('base64')),
    '--b--',
  ]);
}

function hostilePdf(): Buffer {
  return mail('Hostile files', [
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: application/pdf; name=invoice.pdf',
    'Content-Disposition: attachment',
    '',
    '<html><script>window.top.hacked = 1; alert(1)</script></html>',
    '--b',
    'Content-Type: image/png; name=drawing.svg',
    'Content-Disposition: attachment',
    '',
    '<svg xmlns="http://www.w3.org/2000/svg"><script>window.top.hacked = 1; alert(1)</script></svg>',
    '--b--',
  ]);
}
