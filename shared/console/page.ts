/**
 * The console's page as bytes: read from the build, or bundled from `console/` where the sources stand. Once an
 * instance. What must stay true: an asset's name holds the hash of its contents, so that it may be kept for ever.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';

export interface Asset {
  readonly bytes: Buffer;
  /** The Content-Type. */
  readonly type: string;
}

export interface Page {
  readonly html: string;
  /** By name, as in /assets/NAME. */
  readonly assets: ReadonlyMap<string, Asset>;
}

/** Where the build writes it, beside the folder of chunks that this module stands in then. */
const BUILT = join(import.meta.dirname, '../console-page');
const SOURCES = join(import.meta.dirname, '../../console');

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};

let loading: Promise<Page> | null = null;

/** The same page each time; a load that failed is tried again. */
export async function loadPage(): Promise<Page> {
  loading ??= load().catch((fault: unknown) => {
    loading = null;
    throw fault;
  });
  return await loading;
}

async function load(): Promise<Page> {
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

async function readBuilt(): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of await readdir(BUILT)) files.set(name, await readFile(join(BUILT, name)));
  return files;
}

/** Never reached in a build: the bundler is a tool of the sources. */
async function bundleSources(): Promise<Map<string, Buffer>> {
  const { bundlePage } = await import('./bundle-page.ts');
  return await bundlePage(SOURCES);
}
