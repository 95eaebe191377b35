import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { chromiumPath, createFixture, type Fixture, titleOrSkipReason } from './console-fixture.ts';
import { framesetEmail, hostileEmail, longEmail, pdfEmail } from './hostile-email.ts';

describe.skipIf(chromiumPath === null)(titleOrSkipReason('a hostile email'), () => {
  let fixture: Fixture;
  let canary: Server;
  /** URLs that the canary server received; there must be none. */
  let requestedUrls: string[];
  /** A browser may connect to a host before its policy rejects the request. */
  let connectionCount = 0;
  let emailId: number;
  let framesetId: number;
  let pdfId: number;

  beforeAll(async () => {
    canary = createServer((request, response) => {
      requestedUrls.push(String(request.url));
      response.end();
    }).listen(0, '127.0.0.1');
    canary.on('connection', () => {
      connectionCount += 1;
    });
    await once(canary, 'listening');
    fixture = await createFixture({ needsPdfViewer: true });
    const canaryUrl = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/`;
    fixture.gmail.deliver(hostileEmail(canaryUrl));
    fixture.gmail.deliver(framesetEmail(canaryUrl));
    fixture.gmail.deliver(pdfEmail(canaryUrl));
    fixture.gmail.deliver(longEmail());
    await fixture.call('start');
    await fixture.call('poll-now');
    // A run that began with a push may still store some of them.
    await vi.waitFor(
      async () => {
        const evil = await fixture.db.query(
          "select from incoming_emails where sender_address = 'evil@example.com'",
        );
        expect(evil.rowCount).toBe(4);
      },
      { timeout: 20_000 },
    );
    const { rows } = await fixture.db.query<{ id: number }>(
      `select id
       from incoming_emails
       where sender_address = 'evil@example.com'
         and subject not like 'Long %'
       order by subject = 'Frameset', subject = 'A PDF with actions'`,
    );
    [emailId = 0, pdfId = 0, framesetId = 0] = rows.map((row) => row.id);
    requestedUrls = [];
    connectionCount = 0;
  });
  afterEach(async () => await fixture.closePages());
  afterAll(async () => {
    await fixture.close();
    canary.close();
  });

  it('appears as plain text in the list and in its own view', async () => {
    const { page, violations } = await fixture.open();
    const row = page.locator('#email-list li', { hasText: 'Hostile' });
    await row.waitFor();
    expect(await row.locator('.subject').textContent()).toContain('<b>Hostile</b> <img src=x onerror=');
    expect(await row.locator('.sender').textContent()).toContain('<script>alert(');
    expect(await row.locator('.attachments').textContent()).toContain('.svg');
    await row.locator('.open').click();
    await page.locator('#email .text').waitFor();
    expect(await page.locator('#email .text').textContent()).toContain('<img src=x onerror=');
    expect(page.url()).toBe(`${fixture.url}emails/${emailId}`);
    // None of its markup became an element.
    expect(await page.locator('main b, main img, main script, main iframe').count()).toBe(0);
    await expectUnharmed(page, violations);
  });

  it('cannot run scripts or load anything in the frame of its HTML', async () => {
    const { page, violations } = await fixture.open();
    await page.locator('#email-list .open', { hasText: 'Hostile' }).click();
    await page.getByRole('button', { name: 'Show HTML' }).click();
    const frame = page.locator('#email iframe');
    expect(await frame.getAttribute('sandbox')).toBe('');
    await frame.contentFrame().getByText('The HTML of the hostile email').waitFor();
    await frame.contentFrame().locator('#top').click();
    const logo = frame.contentFrame().locator('#logo');
    expect(await logo.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth)).toBe(
      1,
    );
    await page.waitForLoadState('networkidle');
    // The browser reports each thing that the policy blocks, which is expected here.
    expect(violations.filter((violation) => !violation.startsWith('policy '))).toEqual([]);
    await expectUnharmed(page, []);
  });

  it('cannot run scripts or load anything when its HTML is opened by URL', async () => {
    const { page, violations } = await fixture.open();
    await page.goto(`${fixture.url}api/console/emails/${emailId}/html`);
    await page.getByText('The HTML of the hostile email').waitFor();
    await page.waitForLoadState('networkidle');
    expect(violations.filter((violation) => !violation.startsWith('policy '))).toEqual([]);
    expect(connectionCount).toBe(0);
    expect([requestedUrls, page.url()]).toEqual([[], `${fixture.url}api/console/emails/${emailId}/html`]);
  });

  it('connects to no host through the frames of a frameset', async () => {
    const { page, violations } = await fixture.open();
    const response = await page.goto(`${fixture.url}api/console/emails/${framesetId}/html`);
    await page.waitForLoadState('networkidle');
    expect(response?.status()).toBe(200);
    expect(await page.locator('frame, frameset, iframe').count()).toBe(0);
    expect([connectionCount, requestedUrls, violations]).toEqual([0, [], []]);
  });

  it('connects to no host when a PDF with scripts and actions is shown', async () => {
    const { page, violations } = await fixture.open({ path: `emails/${pdfId}` });
    await page.getByRole('button', { name: 'Show actions.pdf' }).click();
    // The viewer of Chromium runs the scripts of a PDF apart from any page. They can open a dialog, which here says that they ran.
    await expect.poll(() => violations, { timeout: 20_000 }).toContain('dialog done');
    await page.waitForLoadState('networkidle');
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect([connectionCount, requestedUrls, page.url()]).toEqual([0, [], `${fixture.url}emails/${pdfId}`]);
    expect(violations.filter((one) => !/^(dialog done|request chrome(-extension)?:)/.test(one))).toEqual([]);
  });

  it('does not hide its text below very long headers', async () => {
    const { page } = await fixture.open();
    await page.locator('#email-list .open', { hasText: 'Long' }).click();
    const text = page.locator('#email .text');
    await text.waitFor();
    expect(await text.textContent()).toContain('Ten chairs.');
    expect((await page.locator('#email-subject').textContent())?.length).toBe(501);
    expect((await page.title()).length).toBeLessThan(600);
    const facts = (await page.locator('#email .facts').first().textContent()) ?? '';
    expect(facts).toContain('buyer-49@example.com and 2,950 more');
    expect(facts.length).toBeLessThan(4_000);
  });

  it('offers an SVG attachment with a script as a download only', async () => {
    const { page, violations } = await fixture.open();
    const link = page
      .locator('#email-list li', { hasText: 'Hostile' })
      .locator('.attachments a', { hasText: '.svg' });
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    expect(download.suggestedFilename()).toMatch(/\.svg$/);
    expect(download.suggestedFilename()).not.toMatch(/[<>"/\\]/);
    const path = await link.getAttribute('href');
    const [again] = await Promise.all([
      page.waitForEvent('download'),
      // A navigation that becomes a download is reported as aborted.
      page.goto(new URL(String(path), fixture.url).href).catch(() => undefined),
    ]);
    expect(again.suggestedFilename()).toMatch(/\.svg$/);
    await expectUnharmed(page, violations);
  });

  async function expectUnharmed(page: Page, violations: readonly string[]): Promise<void> {
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect(connectionCount).toBe(0);
    expect([requestedUrls, violations]).toEqual([[], []]);
    expect([fixture.url, `${fixture.url}emails/${emailId}`]).toContain(page.url());
  }
});
