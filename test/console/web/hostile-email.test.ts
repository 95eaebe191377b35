import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chromiumPath, createFixture, type Fixture, titled } from './console-fixture.ts';
import { hostileMail } from './hostile-mail.ts';

describe.skipIf(chromiumPath === null)(titled('a hostile mail on the page'), () => {
  let fixture: Fixture;
  let canary: Server;
  /** What anybody asked the server that nobody may ask. */
  let asked: string[];
  let emailId: number;

  beforeAll(async () => {
    canary = createServer((request, response) => {
      asked.push(String(request.url));
      response.end();
    }).listen(0, '127.0.0.1');
    await once(canary, 'listening');
    fixture = await createFixture();
    fixture.gmail.deliver(hostileMail(`http://127.0.0.1:${(canary.address() as AddressInfo).port}/`));
    await fixture.call('start');
    await fixture.call('poll-now');
    const { rows } = await fixture.db.query<{ id: number }>(
      "select id from incoming_emails where sender_address = 'evil@example.com'",
    );
    emailId = rows[0]?.id ?? 0;
    asked = [];
  });
  afterEach(async () => await fixture.closePages());
  afterAll(async () => {
    await fixture.close();
    canary.close();
  });

  it('is shown as the text that it is, in the list and opened', async () => {
    const { page, misdeeds } = await fixture.open();
    const row = page.locator('#email-list li', { hasText: 'Hostile' });
    await row.waitFor();
    expect(await row.locator('.subject').textContent()).toContain('<b>Hostile</b> <img src=x onerror=');
    expect(await row.locator('.sender').textContent()).toContain('<script>alert(');
    expect(await row.locator('.attachments').textContent()).toContain('.svg');
    await row.locator('.open').click();
    await page.locator('#email .text').waitFor();
    expect(await page.locator('#email .text').textContent()).toContain('<img src=x onerror=');
    // Nothing of it became an element.
    expect(
      await page.locator('main b, main img, main script, dialog b, dialog img, dialog iframe').count(),
    ).toBe(0);
    await expectUnharmed(page, misdeeds);
  });

  it('runs and loads nothing in its frame', async () => {
    const { page, misdeeds } = await fixture.open();
    await page.locator('#email-list .open', { hasText: 'Hostile' }).click();
    await page.getByRole('button', { name: 'Show HTML' }).click();
    const frame = page.locator('#email iframe');
    expect(await frame.getAttribute('sandbox')).toBe('');
    await frame.contentFrame().getByText('The HTML of the hostile mail').waitFor();
    await frame.contentFrame().locator('#top').click();
    await page.waitForLoadState('networkidle');
    // The policy speaks up at each thing that it stops: that is its work.
    expect(misdeeds.filter((misdeed) => !misdeed.startsWith('policy '))).toEqual([]);
    await expectUnharmed(page, []);
  });

  it('runs and loads nothing where its HTML is opened by its address', async () => {
    const { page, misdeeds } = await fixture.open();
    await page.goto(`${fixture.url}api/console/emails/${emailId}/html`);
    await page.getByText('The HTML of the hostile mail').waitFor();
    await page.waitForLoadState('networkidle');
    expect(misdeeds.filter((misdeed) => !misdeed.startsWith('policy '))).toEqual([]);
    expect([asked, page.url()]).toEqual([[], `${fixture.url}api/console/emails/${emailId}/html`]);
  });

  it('gives its picture with a script as a download, never as a page', async () => {
    const { page, misdeeds } = await fixture.open();
    const link = page.locator('#email-list li', { hasText: 'Hostile' }).locator('.attachments a');
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    expect(download.suggestedFilename()).toMatch(/\.svg$/);
    expect(download.suggestedFilename()).not.toMatch(/[<>"/\\]/);
    const path = await link.getAttribute('href');
    const [again] = await Promise.all([
      page.waitForEvent('download'),
      // A navigation that becomes a download is told as one that broke off.
      page.goto(new URL(String(path), fixture.url).href).catch(() => undefined),
    ]);
    expect(again.suggestedFilename()).toMatch(/\.svg$/);
    await expectUnharmed(page, misdeeds);
  });

  async function expectUnharmed(page: Page, misdeeds: readonly string[]): Promise<void> {
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect([asked, misdeeds, page.url()]).toEqual([[], [], fixture.url]);
  }
});
