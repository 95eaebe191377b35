/**
 * The system's Chromium, for the tests and the screenshots of the console's page. It reaches loopback only, and each
 * launch has a temporary profile.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Browser } from 'playwright-core';
import type { Environment } from '../shared/config.ts';

/** The names in Debian, Fedora and Google's packages. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
/** Debian's build without windows needs half the processor time, and cannot show a PDF. */
const WITHOUT_PDF_VIEWER = 'chromium-headless-shell';

/**
 * @param needsPdfViewer false prefers the build without windows
 * @returns the path of Chromium, from CHROMIUM_PATH or PATH; null when it is not installed
 */
export function findChromium(env: Environment, needsPdfViewer = false): string | null {
  const configured = env['CHROMIUM_PATH']?.trim();
  if (configured) return isExecutable(configured) ? configured : null;
  const folders = (env['PATH'] ?? '').split(delimiter);
  const names = needsPdfViewer ? NAMES : [WITHOUT_PDF_VIEWER, ...NAMES];
  const candidates = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return candidates.find(isExecutable) ?? null;
}

/** @param loopbackNames host names that resolve to 127.0.0.1, as after DNS rebinding */
export async function launchChromium(path: string, loopbackNames: readonly string[] = []): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  return await chromium.launch({
    executablePath: path,
    headless: true,
    args: [
      // Chromium's sandbox does not work as root, the usual user of a container. Chromium opens only our own page.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // Resolves no other host, so that a request to elsewhere fails visibly.
      `--host-resolver-rules=${loopbackNames.map((name) => `MAP ${name} 127.0.0.1, `).join('')}MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
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
