/**
 * Opens the console's page in a real browser on the real local stack. Each test file has one stack and one browser. Each test
 * has its own browser context, with its own storage and cache. The fixture records everything that the page must not do.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page, Request } from 'playwright-core';
import { vi } from 'vitest';
import type { EmulatedGmail } from '../../../emulators/gmail/emulated-gmail.ts';
import { findChromium, launchChromium } from '../../../local/chromium.ts';
import { freePort, type LocalPorts } from '../../../local/ports.ts';
import { type Stack, startStack } from '../../../local/stack.ts';
import { createTestDatabase, type TestDatabase } from '../../helpers/test-database.ts';

/** Of the build that can show PDFs, which some tests need. Null skips the tests. */
export const chromiumPath = findChromium(process.env, true);

/** Adds the reason to a title when the tests are skipped. */
export function titleOrSkipReason(title: string): string {
  return chromiumPath === null ? `${title} (skipped: no Chromium; \`apt-get install chromium\`)` : title;
}

export interface Opened {
  readonly page: Page;
  /** Dialogs, script errors, violations of the content security policy, and requests to another origin. */
  readonly violations: string[];
}

export interface OpenOptions extends BrowserContextOptions {
  /** True installs a fake clock, which `page.clock` moves forward. */
  readonly clock?: boolean;
  /** Of the page: `emails/7`. */
  readonly path?: string;
}

export interface Fixture {
  readonly gmail: EmulatedGmail;
  readonly db: TestDatabase;
  readonly url: string;
  readonly ports: LocalPorts;
  readonly browser: Browser;
  /** Opens the page in a new context and waits until it shows data. */
  open(options?: OpenOptions): Promise<Opened>;
  /** Turns push notifications on or off. They are off by default, so that a run begins only when a test starts it. */
  push(isOn: boolean): void;
  /** Calls a function by POST without the page. */
  call(verb: string): Promise<void>;
  /** Pauses the scheduler job, whose poll could begin in the middle of a test. `start` resumes it. */
  pauseJob(): Promise<void>;
  /** Closes all contexts. The monitor keeps its state for the next test. */
  closePages(): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param loopbackNames host names that the browser resolves to 127.0.0.1
 * @param databaseUrl returns the URL at which the functions reach the database
 * @param needsPdfViewer true starts a slower build of Chromium
 */
export async function createFixture({
  loopbackNames = [],
  databaseUrl = async (url) => url,
  needsPdfViewer = false,
}: {
  loopbackNames?: readonly string[];
  databaseUrl?: (url: string) => Promise<string>;
  needsPdfViewer?: boolean;
} = {}): Promise<Fixture> {
  const chromium = findChromium(process.env, needsPdfViewer);
  if (chromium === null) throw new Error('There is no Chromium.');
  const db = await createTestDatabase();
  const dataFolder = mkdtempSync(join(tmpdir(), 'email-monitor-console-'));
  const stack = await startStack({
    env: { DATABASE_URL: await databaseUrl(db.url), PORT: String(await freePort()), LOG_LEVEL: 'error' },
    mailboxFolder: null,
    dataFolder,
    logFormat: 'json',
  });
  const gmail = gmailOf(stack);
  const pushUrl = gmail.notifications.url;
  gmail.notifications.url = null;
  const browser = await launchChromium(chromium, loopbackNames);
  const url = `http://127.0.0.1:${stack.ports.console}/`;
  return {
    gmail,
    db,
    url,
    ports: stack.ports,
    browser,
    open: async (options) => await open(browser, url, options),
    push: (isOn) => {
      gmail.notifications.url = isOn ? pushUrl : null;
    },
    call: async (verb) => {
      const isDone = async () => {
        const response = await fetch(`${url}api/system/email-monitor/${verb}`, { method: 'POST' });
        // The scheduler may have begun a run.
        return ((await response.json()) as { outcome?: string }).outcome !== 'busy';
      };
      await vi.waitUntil(isDone, { timeout: 20_000 });
    },
    pauseJob: async () => await pauseJob(stack.ports),
    closePages: async () => {
      // The page refreshes often: a route handler may be in the middle of a request.
      const pages = browser.contexts().flatMap((context) => context.pages());
      await Promise.all(pages.map(async (page) => await page.unrouteAll({ behavior: 'ignoreErrors' })));
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

async function pauseJob({ scheduler }: LocalPorts): Promise<void> {
  const jobs = `http://127.0.0.1:${scheduler}/v1/projects/email-monitor-local/locations/europe-west1/jobs`;
  const { jobs: all } = (await (await fetch(jobs)).json()) as { jobs: { name: string }[] };
  const paused = await fetch(`${jobs}/${all[0]?.name.split('/').at(-1)}:pause`, { method: 'POST' });
  // A job that is paused already cannot be paused.
  if (paused.status !== 200 && paused.status !== 400)
    throw new Error(`The job was not paused: ${paused.status}.`);
}

function gmailOf({ mailbox }: Stack): EmulatedGmail {
  if (mailbox === null) throw new Error('The stack uses the real Gmail.');
  return mailbox.gmail;
}

async function open(
  browser: Browser,
  url: string,
  { clock, path = '', ...options }: OpenOptions = {},
): Promise<Opened> {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options });
  if (clock) await context.clock.install();
  const violations: string[] = [];
  const recordOutside = (request: Request) => {
    const { origin, protocol } = new URL(request.url());
    // A request that the policy blocks is reported as failed; it has not left the browser.
    const isBlocked = /csp|BLOCKED_BY_CLIENT/i.test(request.failure()?.errorText ?? '');
    if (protocol !== 'data:' && `${origin}/` !== url && !isBlocked)
      violations.push(`request ${request.url()}`);
  };
  context.on('requestfinished', recordOutside);
  context.on('requestfailed', recordOutside);
  context.on('dialog', (dialog) => {
    violations.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  context.on('weberror', (error) => violations.push(`script error ${error.error().message}`));
  context.on('console', (message) => {
    if (/Content Security Policy/i.test(message.text())) violations.push(`policy ${message.text()}`);
  });
  const page = await context.newPage();
  await page.goto(`${url}${path}`);
  await page.locator('html[data-ready]').waitFor();
  return { page, violations };
}

/** Makes the page ask for an overview at once, as when the computer is online again. Otherwise it asks every two seconds. */
export async function refresh(page: Page): Promise<void> {
  await page.evaluate("window.dispatchEvent(new Event('online'))");
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The serious and critical findings of axe, with the size of targets in WCAG 2.2, which axe leaves out by default. @param include selectors of the parts to check; the whole page by default */
export async function seriousViolations(page: Page, include: readonly string[] = ['html']): Promise<unknown> {
  await page.evaluate(AXE);
  return await page.evaluate(`axe.run({ include: ${JSON.stringify(include.map((one) => [one]))} }, { rules: { 'target-size': { enabled: true } } })
    .then(({ violations }) => violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.html).join(' | ')))`);
}
