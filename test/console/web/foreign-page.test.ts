/**
 * Attacks of web pages on the local stack, in a real Chromium. The name evil.test resolves to 127.0.0.1, as an attacker's name
 * does after DNS rebinding.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { json as readJson } from 'node:stream/consumers';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mail } from '../../helpers/test-emails.ts';
import { createTestSystem } from '../../helpers/test-system.ts';
import { chromiumPath, createFixture, type Fixture, titleOrSkipReason } from './console-fixture.ts';

const EVIL = 'evil.test';

interface FetchOptions {
  readonly method?: string;
  readonly mode?: 'no-cors';
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

describe.skipIf(chromiumPath === null)(titleOrSkipReason('a foreign web page'), () => {
  let fixture: Fixture;
  let otherPage: string;
  const other = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Another page</p>');
  });

  beforeAll(async () => {
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    otherPage = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
    fixture = await createFixture({ loopbackNames: [EVIL] });
    await fixture.call('start');
    await fixture.call('poll-now');
  });
  afterAll(async () => {
    await fixture.close();
    other.close();
  });

  /** Opens a document whose origin is the name of the attacker at this port, as after DNS rebinding. */
  async function attackerPageAt(origin: string): Promise<Page> {
    const page = await fixture.browser.newPage();
    await page.goto(`${origin}/`);
    expect(await page.evaluate('location.origin')).toBe(origin);
    return page;
  }

  /** @returns status and body as the page reads them, null when the browser hides the response */
  async function fetchFrom(
    page: Page,
    url: string,
    init: FetchOptions = {},
  ): Promise<[number, string] | null> {
    return await page.evaluate(
      async ([address, options]) => {
        try {
          const response = await fetch(address, options);
          return [response.status, await response.text()] as [number, string];
        } catch {
          return null;
        }
      },
      [url, init] as const,
    );
  }

  const isRunning = async () => (await fixture.db.query('select is_running from email_monitor_status')).rows;

  it('reads no email and changes nothing through a rebound name', async () => {
    const origin = `http://${EVIL}:${fixture.ports.console}`;
    const page = await attackerPageAt(origin);
    for (const path of [
      '/api/console/emails',
      '/api/console/emails?q=order',
      '/api/console/overview',
      '/api/system/email-monitor/status',
      '/api/openapi.json',
      '/',
    ]) {
      const [status, body] = (await fetchFrom(page, `${origin}${path}`)) ?? [];
      expect([path, status]).toEqual([path, 403]);
      expect(body).not.toContain('example.com');
    }
    const stop = await fetchFrom(page, `${origin}/api/system/email-monitor/stop`, { method: 'POST' });
    expect(stop?.[0]).toBe(403);
    expect(await isRunning()).toEqual([{ is_running: true }]);
  });

  it('reaches no other port of the stack through a rebound name', async () => {
    const { console: _console, postgres: _postgres, ...ports } = fixture.ports;
    for (const [name, port] of Object.entries(ports)) {
      const origin = `http://${EVIL}:${port}`;
      const page = await attackerPageAt(origin);
      for (const path of [
        '/',
        '/control/messages',
        '/v1/projects/email-monitor-local/locations/europe-west1/jobs',
      ])
        expect([name, path, (await fetchFrom(page, `${origin}${path}`))?.[0]]).toEqual([name, path, 403]);
    }
  });

  it('neither pauses nor creates scheduler jobs from another page on this machine', async () => {
    const page = await fixture.browser.newPage();
    await page.goto(otherPage);
    const jobs = `http://127.0.0.1:${fixture.ports.scheduler}/v1/projects/email-monitor-local/locations/europe-west1/jobs`;
    const plain = { method: 'POST', mode: 'no-cors', headers: { 'content-type': 'text/plain' } } as const;
    await fetchFrom(page, `${jobs}/email-monitor-poll:pause`, { ...plain, body: '{}' });
    const forged = {
      schedule: '* * * * *',
      httpTarget: { uri: `http://127.0.0.1:${fixture.ports.gmailPush}/`, httpMethod: 'POST' },
    };
    await fetchFrom(page, jobs, { ...plain, body: JSON.stringify(forged) });
    const listed = (await (await fetch(jobs)).json()) as { jobs: { name: string; state: string }[] };
    expect(listed.jobs.map(({ name, state }) => [name.split('/').at(-1), state])).toEqual([
      ['email-monitor-poll', 'ENABLED'],
    ]);
  });

  it('can neither search emails nor stop the monitor from another page on this machine', async () => {
    const reads = `${fixture.url}api/console/emails?q=order`;
    const page = await fixture.browser.newPage();
    await page.goto(otherPage);
    expect(await fetchFrom(page, reads)).toBeNull();
    // The browser hides the response of a fetch, but the operator's browser also follows links and submits forms.
    for (const [method, url] of [
      ['get', reads],
      ['post', `${fixture.url}api/system/email-monitor/stop`],
    ] as const) {
      await page.goto(otherPage);
      const [response] = await Promise.all([
        page.waitForResponse(url),
        page.setContent(
          `<form method=${method} action="${url}"><input name=q value=order></form><script>document.forms[0].submit()</script>`,
        ),
      ]);
      expect([url, response.status()]).toEqual([url, 403]);
    }
    expect(await isRunning()).toEqual([{ is_running: true }]);
  });

  it('can show no file of an email in another page on this machine', async () => {
    const pixel =
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    const headers = ['MIME-Version: 1.0', 'Content-Type: image/png', 'Content-Transfer-Encoding: base64'];
    fixture.gmail.deliver(mail('Picture', [...headers, '', pixel]));
    await fixture.call('poll-now');
    const { rows } = await fixture.db.query<{ id: number }>(
      "select id from email_attachments where detected_content_type = 'image/png' order by id desc limit 1",
    );
    const url = `${fixture.url}api/console/attachments/${rows[0]?.id}/preview`;
    const page = await fixture.browser.newPage();
    await page.goto(otherPage);
    const shown = await page.evaluate(
      `new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve('shown');
        image.onerror = () => resolve('blocked');
        image.src = '${url}';
      })`,
    );
    expect(shown).toBe('blocked');
    const [response] = await Promise.all([
      page.waitForResponse(url),
      page.setContent(`<iframe src="${url}"></iframe>`),
    ]);
    expect(response.status()).toBe(403);
  });

  it('receives a problem without a stack trace for malformed JSON', async () => {
    const response = await fetch(`${fixture.url}api/console/emails/search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"q":',
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([
      400,
      'application/problem+json; charset=utf-8',
    ]);
    expect(await response.text()).not.toMatch(/node_modules| at /);
  });

  it('neither starts a poll nor delivers a push from another page on this machine', async () => {
    const page = await fixture.browser.newPage();
    await page.goto(otherPage);
    for (const port of [fixture.ports.poll, fixture.ports.gmailPush]) {
      const url = `http://127.0.0.1:${port}/`;
      const [response] = await Promise.all([
        page.waitForResponse(url),
        fetchFrom(page, url, { method: 'POST', mode: 'no-cors', body: '{}' }),
      ]);
      expect(response.status()).toBe(403);
    }
  });
});

describe.skipIf(chromiumPath === null)(
  titleOrSkipReason('the console over plain HTTP at a name that is not loopback'),
  () => {
    it('shows its data, because the page sends Origin where the browser sends no Sec-Fetch-Site', async () => {
      const system = await createTestSystem();
      const seen: string[] = [];
      const server = createServer(async (request, response) => {
        const url = new URL(request.url ?? '/', 'http://console.test');
        const { status, headers, body } = await system.call('console', {
          method: request.method ?? 'GET',
          path: url.pathname,
          query: Object.fromEntries(url.searchParams),
          headers: request.headers as Record<string, string>,
          body: request.headers['content-type']?.includes('json') ? await readJson(request) : undefined,
        });
        if (url.pathname.startsWith('/api/console/'))
          seen.push(`${request.headers['sec-fetch-site']} ${request.headers.origin} ${status}`);
        response.writeHead(status, headers);
        if (body instanceof Readable) body.pipe(response);
        else response.end(body ?? undefined);
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { launchChromium } = await import('../../../local/chromium.ts');
      const browser = await launchChromium(String(chromiumPath), ['console.test']);
      try {
        const origin = `http://console.test:${(server.address() as AddressInfo).port}`;
        const page = await browser.newPage();
        await page.goto(origin);
        await page.locator('html[data-ready]').waitFor();
        expect(new Set(seen)).toEqual(new Set([`undefined ${origin} 200`]));
      } finally {
        await browser.close();
        server.closeAllConnections();
        server.close();
        await system.close();
      }
    });
  },
);
