/**
 * `npm run pictures [-- --out DIR]`: takes the screenshots of the console in docs/pictures/. They show the real local
 * stack with synthetic emails and two days of generated history. Needs Chromium.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nextPurchaseOrder } from '../emulators/samples/samples.ts';
import { findChromium, launchChromium } from '../local/chromium.ts';
import { freePort } from '../local/ports.ts';
import { type Stack, startStack } from '../local/stack.ts';
import { deliverHistory, recordHistory } from './pictures/history.ts';
import { callerPath } from './support/caller-path.ts';
import { runCommand } from './support/command.ts';
import { readFlags } from './support/flags.ts';
import { say } from './support/terminal.ts';

const LIVE_EMAILS = 12;
const VIEW = { width: 1280, height: 1080 };

const USAGE = `Usage: npm run pictures [-- --out DIR]
Takes the screenshots of the console from the real local stack with synthetic emails. Needs Chromium.
  --out DIR  the folder to write to (default docs/pictures)`;

await runCommand(
  USAGE,
  async () => {
    const flags = readFlags({
      out: { type: 'string', default: join(import.meta.dirname, '../docs/pictures') },
    });
    const out = callerPath(flags.out);
    const chromium = findChromium(process.env);
    if (chromium === null) {
      throw new Error(
        'Chromium is not installed. Run `apt-get install chromium`, or set CHROMIUM_PATH to its program.',
      );
    }
    mkdirSync(out, { recursive: true });
    const dataFolder = mkdtempSync(join(tmpdir(), 'email-monitor-pictures-'));
    const stack = await startStack({
      // Without the operator's own environment, so that none of it appears in a screenshot.
      env: { PATH: process.env['PATH'], PORT: String(await freePort()), LOG_LEVEL: 'error' },
      mailboxFolder: null,
      dataFolder,
      logFormat: 'text',
    });
    try {
      const page = `http://127.0.0.1:${stack.ports.console}/`;
      await fillMailbox(stack, page);
      await takePictures(chromium, page, out);
    } finally {
      await stack.stop();
      rmSync(dataFolder, { recursive: true, force: true });
    }
  },
  { localStack: false },
);

async function fillMailbox({ databaseUrl, mailbox }: Stack, page: string): Promise<void> {
  if (mailbox === null) throw new Error('The emulated mailbox is missing.');
  const { gmail } = mailbox;
  // Two days of emails are fetched without waiting for the quota.
  gmail.quota.unitsPerMinute = null;
  const hours = await deliverHistory(gmail, new Date());
  const call = async (verb: string) => {
    const response = await fetch(`${page}api/system/email-monitor/${verb}`, { method: 'POST' });
    const answer = (await response.json()) as { outcome?: string; title?: string };
    if (!response.ok) throw new Error(`${verb}: ${response.status} ${answer.title}`);
    return answer;
  };
  await call('start');
  while ((await call('poll-now')).outcome !== 'completed');
  await recordHistory(databaseUrl, hours);
  for (let n = 0; n < LIVE_EMAILS; n += 1) {
    gmail.deliver((await nextPurchaseOrder(900 + n, new Date())).raw);
    while ((await call('poll-now')).outcome === 'busy');
  }
  await call('poll-now?reconcile=all');
  // A reconciliation is listed by one run and evaluated by a later one.
  for (let runs = 0; runs < 20 && (await reconciledCount(page)) < LIVE_EMAILS; runs += 1)
    await call('poll-now');
}

async function reconciledCount(page: string): Promise<number> {
  const status = (await (await fetch(`${page}api/system/email-monitor/status`)).json()) as {
    mailboxes: { reconciliation: { gmail_count: number } | null }[];
  };
  return status.mailboxes[0]?.reconciliation?.gmail_count ?? 0;
}

async function takePictures(chromium: string, url: string, out: string): Promise<void> {
  const browser = await launchChromium(chromium);
  try {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await browser.newPage({ viewport: VIEW, colorScheme, locale: 'en-GB', timezoneId: 'UTC' });
      await page.goto(url);
      await page.locator('html[data-state="watching"]').waitFor();
      await page.locator('#latency-chart canvas').waitFor();
      await page.locator('#email-list li').first().waitFor();
      await page.locator('#run-list tr').first().waitFor();
      const path = join(out, `console-${colorScheme}.png`);
      await page.screenshot({ path });
      say(`${path} written: ${Math.round(statSync(path).size / 1_000)} KB`);
      await page.close();
    }
  } finally {
    await browser.close();
  }
}
