/**
 * The console's page in a real browser on the real local stack. One stack and one browser a test file; a context, and
 * with it storage and cache, a test. Whatever the page does that a page must not do is kept for the test to look at.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page, Request } from 'playwright-core';
import type { EmulatedGmail } from '../../emulators/gmail/emulated-gmail.ts';
import { findChromium, launchChromium } from '../../local/browser.ts';
import { freePort } from '../../local/ports.ts';
import { type Stack, startStack } from '../../local/stack.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

export const chromiumPath = findChromium(process.env);

/** Says why nothing is tested, where that is so. */
export function titled(title: string): string {
  return chromiumPath === null ? `${title} (skipped: no Chromium; \`apt-get install chromium\`)` : title;
}

export interface Opened {
  readonly page: Page;
  /** Dialogs, faults of scripts, violations of the policy, and requests to another origin. */
  readonly misdeeds: string[];
}

export interface OpenOptions extends BrowserContextOptions {
  /** True: `page.clock` can let time pass. */
  readonly clock?: boolean;
}

export interface Fixture {
  readonly gmail: EmulatedGmail;
  readonly db: TestDatabase;
  readonly url: string;
  readonly browser: Browser;
  /** A new context, and the page in it as soon as it shows figures. */
  open(options?: OpenOptions): Promise<Opened>;
  /** Whether Gmail announces its mail; it does not unless told, so that a cycle begins when a test wants it. */
  push(isOn: boolean): void;
  /** POST of a verb, past the page. */
  call(verb: string): Promise<void>;
  /** Ends the contexts; the next test begins with the monitor as it left it. */
  closePages(): Promise<void>;
  close(): Promise<void>;
}

export async function createFixture(): Promise<Fixture> {
  if (chromiumPath === null) throw new Error('There is no Chromium.');
  const db = await createTestDatabase();
  const dataFolder = mkdtempSync(join(tmpdir(), 'email-monitor-console-'));
  const stack = await startStack({
    env: { DATABASE_URL: db.url, PORT: String(await unusedPort()), LOG_LEVEL: 'error' },
    mailboxFolder: null,
    dataFolder,
    logFormat: 'json',
  });
  const gmail = gmailOf(stack);
  const pushUrl = gmail.notifications.url;
  gmail.notifications.url = null;
  const browser = await launchChromium(chromiumPath);
  const url = `http://127.0.0.1:${stack.ports.console}/`;
  return {
    gmail,
    db,
    url,
    browser,
    open: async (options) => await open(browser, url, options),
    push: (isOn) => {
      gmail.notifications.url = isOn ? pushUrl : null;
    },
    call: async (verb) => {
      const response = await fetch(`${url}api/system/email-monitor/${verb}`, { method: 'POST' });
      await response.arrayBuffer();
    },
    closePages: async () => {
      await Promise.all(browser.contexts().map(async (context) => await context.close()));
    },
    close: async () => {
      await browser.close();
      await stack.stop();
      await db.close();
      rmSync(dataFolder, { recursive: true, force: true });
    },
  };
}

/** The stack takes the ports behind it too, and none above 65530. */
async function unusedPort(): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (port <= 65_500) return port;
  }
}

function gmailOf({ mailbox }: Stack): EmulatedGmail {
  if (mailbox === null) throw new Error('The stack reads the real Gmail.');
  return mailbox.gmail;
}

async function open(browser: Browser, url: string, { clock, ...options }: OpenOptions = {}): Promise<Opened> {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options });
  if (clock) await context.clock.install();
  const misdeeds: string[] = [];
  const outside = (request: Request) => {
    const { origin, protocol } = new URL(request.url());
    // What the policy stops is told as a request that failed so; it has not left the browser.
    const isStopped = /csp|BLOCKED_BY_CLIENT/i.test(request.failure()?.errorText ?? '');
    if (protocol !== 'data:' && `${origin}/` !== url && !isStopped) misdeeds.push(`request ${request.url()}`);
  };
  context.on('requestfinished', outside);
  context.on('requestfailed', outside);
  context.on('dialog', (dialog) => {
    misdeeds.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  context.on('weberror', (error) => misdeeds.push(`fault ${error.error().message}`));
  context.on('console', (message) => {
    if (/Content Security Policy/i.test(message.text())) misdeeds.push(`policy ${message.text()}`);
  });
  const page = await context.newPage();
  await page.goto(url);
  await page.locator('html[data-ready]').waitFor();
  return { page, misdeeds };
}
