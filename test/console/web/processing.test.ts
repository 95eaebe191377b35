import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { workerOf } from '../../helpers/email-queue.ts';
import { order } from '../../helpers/test-emails.ts';
import {
  chromiumPath,
  createFixture,
  type Fixture,
  refresh,
  seriousViolations,
  titleOrSkipReason,
} from './console-fixture.ts';

describe.skipIf(chromiumPath === null)(titleOrSkipReason('the section of consumers'), () => {
  let fixture: Fixture;
  let ids: number[];
  beforeAll(async () => {
    fixture = await createFixture();
    for (const n of [1, 2, 3, 4]) fixture.gmail.deliver(order(n));
    await fixture.call('start');
    await fixture.call('poll-now');
    const { rows } = await fixture.db.query<{ id: number }>('select id from incoming_emails order by id');
    ids = rows.map(({ id }) => id);
  });
  /** The first email is completed, the second is claimed, the last two are dead, and the others wait. */
  beforeEach(async () => {
    await fixture.db.query('delete from consumers');
    await fixture.db.query('delete from email_queue');
    await fixture.db.query('delete from email_results');
    await fixture.db.query('update incoming_emails set processed = false');
    const worker = workerOf(fixture.db, 'extraction', 'worker-7');
    await worker.claim(2);
    await worker.complete(ids[0] ?? 0);
    await fixture.db.query(
      `update email_queue
       set state = 'dead', failure_count = 5, due_at = now() - interval '3 minutes',
           error = 'The total of the order does not match its lines.'
       where email_id = any ($1)`,
      [ids.slice(-2)],
    );
    await fixture.db.query("update email_queue set worker = 'worker-4' where email_id = $1", [ids.at(-1)]);
    await fixture.db.query(
      "update email_queue set queued_at = now() - interval '65 minutes' where email_id = $1",
      [ids[1]],
    );
  });
  afterEach(async () => await fixture.closePages());
  afterAll(async () => await fixture.close());

  const opened = async (options?: Parameters<Fixture['open']>[0]) => {
    const one = await fixture.open(options);
    await one.page.locator('#dead-email-list li').first().waitFor();
    return one;
  };

  it('is hidden while there is no consumer', async () => {
    await fixture.db.query('delete from consumers');
    const { page } = await fixture.open();
    await page.locator('#email-list .open').first().waitFor();
    expect(await page.locator('#processing').isHidden()).toBe(true);
  });

  it('shows the backlog of each consumer, its dead emails with error and worker, and what to do', async () => {
    await workerOf(fixture.db, 'archive').claim();
    await fixture.db.query('update consumers set is_adding_older = false');
    const { page, violations } = await opened();
    const waiting = String(ids.length - 4);
    const rows = page.locator('#consumer-list tr');
    expect((await rows.nth(0).innerText()).split(/\s+/).slice(0, 4)).toEqual([
      'archive',
      String(ids.length - 1),
      '1',
      '0',
    ]);
    expect((await rows.nth(1).innerText()).replaceAll(/\s+/g, ' ')).toMatch(
      new RegExp(`^extraction ${waiting} 1 2 since .*\\d\\d:\\d\\d \\(1 h\\)$`),
    );
    const first = page.locator('#dead-email-list li').first();
    expect(await first.innerText()).toMatch(
      /extraction, 5 failures, the last 3 min ago, last worker worker-4\s+The total of the order does not match its lines\.\s+Process again/,
    );
    expect(await page.locator('#dead-email-list li').nth(1).innerText()).not.toContain('last worker');
    const advice = await page.locator('#advice').innerText();
    expect(advice).toMatch(
      /2 emails of the consumer extraction .*\s+Process dead emails of extraction again/,
    );
    expect(advice).toContain('has not completed its oldest email since');
    expect(await page.locator('html').getAttribute('data-tone')).toBe('warning');
    expect(await page.locator('h1').textContent()).not.toBe('Some mail cannot be fetched');
    expect(violations).toEqual([]);
  });

  it('processes one dead email again, and keeps the focus for the keyboard', async () => {
    const { page } = await opened();
    await page.locator('#dead-email-list li').first().getByRole('button', { name: 'Process again' }).click();
    await result(page, /^1 email queued again\./);
    await page.locator('#dead-email-list li').nth(1).waitFor({ state: 'detached' });
    expect(await page.locator('#processing-title:focus').count()).toBe(1);
    const { rows } = await fixture.db.query('select state from email_queue where email_id = $1', [
      ids.at(-1),
    ]);
    expect(rows).toEqual([{ state: 'waiting' }]);
    // One dead email has its own button.
    expect(await page.locator('#requeue-dead button').count()).toBe(0);
  });

  it('processes all dead emails of a consumer again', async () => {
    const { page } = await opened();
    await page.getByRole('button', { name: 'Process all dead of extraction again' }).click();
    await result(page, /^2 emails queued again\./);
    await page.locator('#dead-email-list li').first().waitFor({ state: 'detached' });
    expect(await page.locator('#consumer-list td').nth(2).innerText()).toBe('0');
  });

  it('shows a failed requeue in the row of its email, spoken, until the next action', async () => {
    const { page, violations } = await opened({ viewport: { width: 400, height: 800 } });
    await page.route('**/requeue', async (route) => await route.abort(), { times: 1 });
    const row = page.locator('#dead-email-list li').nth(1);
    await row.getByRole('button', { name: 'Process again' }).click();
    const error = row.locator('.error', { hasText: 'Process again: The server is not responding' });
    await error.waitFor();
    expect(await page.locator('#announcement').textContent()).toMatch(/^Process again: The server is not/);
    expect(await page.locator('#errors').textContent()).toBe('');
    await fixture.db.query("update email_queue set error = 'Another error.' where email_id = $1", [
      ids.at(-2),
    ]);
    await refresh(page);
    await row.getByText('Another error.').waitFor();
    expect(await error.count()).toBe(1);
    await page.locator('#dead-email-list li').first().getByRole('button', { name: 'Process again' }).click();
    await result(page, /^1 email queued again\./);
    expect(await page.locator('.error').count()).toBe(0);
    expect(violations).toEqual([]);
  });

  it('shows the error of a button for all dead emails in the section, not in a row', async () => {
    const { page } = await opened();
    await page.route('**/requeue-dead', async (route) => await route.abort());
    await page.getByRole('button', { name: 'Process all dead of extraction again' }).click();
    await page.locator('#processing > .errors .error', { hasText: 'Process all dead' }).waitFor();
    expect(await page.locator('.error').count()).toBe(1);
  });

  it('shows the problem when a worker has the email, in the section once the row is gone', async () => {
    const { page } = await opened({ clock: true });
    await fixture.db.query(
      "update email_queue set state = 'claimed', worker = 'worker-9', due_at = now() + interval '5 minutes' where email_id = $1",
      [ids.at(-1)],
    );
    await page.locator('#dead-email-list li').first().getByRole('button', { name: 'Process again' }).click();
    await page.locator('#dead-email-list li').nth(1).waitFor({ state: 'detached' });
    const error = page.locator('#processing > .errors .error');
    await error.waitFor();
    expect(await error.innerText()).toMatch(
      /Process again: A worker has claimed the email\s+The worker worker-9 has claimed the email \d+\.\s+Wait until/,
    );
    expect(await page.locator('.error').count()).toBe(1);
  });

  it('shows the problem at the top of the page once the section is hidden', async () => {
    const { page } = await opened({ clock: true });
    await fixture.db.query('delete from email_queue');
    await fixture.db.query('delete from consumers');
    await page.locator('#dead-email-list li').first().getByRole('button', { name: 'Process again' }).click();
    await page.locator('#processing').waitFor({ state: 'hidden' });
    await page.locator('#errors .error', { hasText: 'Process again: ' }).waitFor();
  });

  it('shows in an opened email its state for each consumer', async () => {
    await workerOf(fixture.db, 'archive').claim();
    await fixture.db.query('update consumers set is_adding_older = false');
    const { page } = await opened();
    const processing = page.locator('#email-body .processing');
    const open = async (opener: ReturnType<Page['locator']>) => {
      await opener.click();
      await processing.waitFor();
      const text = (await processing.innerText()).replaceAll(/\s+/g, ' ');
      await page.locator('#email-back').click();
      await processing.waitFor({ state: 'detached' });
      return text;
    };
    expect(await open(page.locator('#dead-email-list .open').first())).toMatch(
      /^Processing archive waiting, queued .* extraction dead, failed 3 min ago; 5 failures, the last worker was worker-4 The total of the order/,
    );
    const { rows } = await fixture.db.query<{ id: number }>(
      'select id from incoming_emails order by received_at desc, id desc',
    );
    const opener = (id = 0) => page.locator('#email-list .open').nth(rows.findIndex((row) => row.id === id));
    expect(await open(opener(ids[0]))).toMatch(
      /claimed by a, expires in .* extraction completed .* by worker-7/,
    );
    expect(await open(opener(ids[1]))).toMatch(
      /extraction claimed by worker-7, expires in \d.*, queued 1 h ago/,
    );
  });

  it('says that a count stopped, and that its next claims queue older emails', async () => {
    const { page } = await opened({ clock: true });
    await page.route('**/api/console/overview', async (route) => {
      const headers = { ...route.request().headers(), 'sec-fetch-site': 'same-origin' };
      const { status, ...rest } = await (await route.fetch({ headers })).json();
      const capped = { waiting_count: 10_000, capped_counts: ['waiting_count'], is_adding_older: true };
      const consumers = status.consumers.map((one: object) => ({ ...one, ...capped }));
      await route.fulfill({ json: { ...rest, status: { ...status, consumers } } });
    });
    await page.clock.fastForward(5_000);
    await page.locator('#consumer-list td', { hasText: '10,000+' }).waitFor();
    expect(await page.locator('#consumer-list th').innerText()).toContain(
      'Its next claims queue older emails.',
    );
  });

  it.each([360, 1280])(
    'fits on a screen of %i pixels, without a serious accessibility violation',
    async (width) => {
      await fixture.db.query("update consumers set add_to_id = 1 where name = 'extraction'");
      await fixture.db.query("update email_queue set error = repeat('x', 300) where email_id = $1", [
        ids.at(-1),
      ]);
      const { page } = await opened({ viewport: { width, height: 900 } });
      await check(page, `section-${width}`);
      await page.locator('#dead-email-list .open').first().click();
      await page.locator('#email-body .processing').waitFor();
      await check(page, `email-${width}`);
    },
  );
});

async function result(page: Page, text: RegExp): Promise<void> {
  await page.locator('#result', { hasText: text }).waitFor({ timeout: 10_000 });
}

async function check(page: Page, name: string): Promise<void> {
  const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
  const violations = await seriousViolations(page);
  expect([name, overflow, violations]).toEqual([name, 0, []]);
}
