/**
 * The files of the console's page, loaded once per instance. They are read from the build, or bundled from `console/web/` when
 * the sources run.
 * Invariant: the name of an asset contains the hash of its bytes, so that browsers may cache it indefinitely.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';

export interface Asset {
  readonly bytes: Buffer;
  /** The Content-Type. */
  readonly type: string;
}

export interface PageFiles {
  readonly html: string;
  /** By file name, as in /assets/NAME. */
  readonly assets: ReadonlyMap<string, Asset>;
}

/** In a build, this module is in a folder of chunks, and the page is in a sibling folder. */
const BUILT = join(import.meta.dirname, '../console-page');
const SOURCES = join(import.meta.dirname, '../web');

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};

let loading: Promise<PageFiles> | null = null;

/** Returns the same files each time. After a failed load, the next call tries again. */
export async function loadPageFiles(): Promise<PageFiles> {
  loading ??= load().catch((error: unknown) => {
    loading = null;
    throw error;
  });
  return await loading;
}

async function load(): Promise<PageFiles> {
  const files = existsSync(BUILT) ? await readBuilt() : await bundleSources();
  const html = files.get('index.html')?.toString('utf8') ?? '';
  const assets = [...files].filter(([name]) => name !== 'index.html');
  return {
    html,
    assets: new Map(
      assets.map(([name, bytes]) => [
        name,
        { bytes, type: TYPES[extname(name)] ?? 'application/octet-stream' },
      ]),
    ),
  };
}

async function readBuilt(): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of await readdir(BUILT)) files.set(name, await readFile(join(BUILT, name)));
  return files;
}

/** Never called in a build, which does not contain the bundler. */
async function bundleSources(): Promise<ReadonlyMap<string, Buffer>> {
  const { bundlePage } = await import('./bundle-page.ts');
  return (await bundlePage(SOURCES)).files;
}
