/**
 * The system's Chromium, for the tests of the console's page and for the pictures of it. It reaches loopback alone, and
 * each start has a profile of its own that is gone with it.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Browser } from 'playwright-core';
import type { Environment } from '../shared/config.ts';

/** As Debian, Fedora and Google name it. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

/** @returns its path, null when this machine has none; CHROMIUM_PATH names one elsewhere */
export function findChromium(env: Environment): string | null {
  const given = env['CHROMIUM_PATH']?.trim();
  const folders = (env['PATH'] ?? '').split(delimiter);
  const places = given ? [given] : folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return places.find(isExecutable) ?? null;
}

export async function launchChromium(path: string): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  return await chromium.launch({
    executablePath: path,
    headless: true,
    args: [
      // Chromium refuses its sandbox to root, and a container has no other user. It opens our own page alone.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // No name but loopback's is looked up: a page that asks elsewhere is seen failing, not reaching.
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ],
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
