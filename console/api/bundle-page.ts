/**
 * Bundles the console's page for browsers: `main.ts`, `main.css` and the images in their folder. Each file name gets a
 * content hash, and `index.html` refers to the hashed names instead of /assets/main.js and the like. Called by the build,
 * and at first use when the sources run. It loads esbuild, which deployed functions do not include.
 */
import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { build } from 'esbuild';

const COPIED = ['.ico', '.png', '.svg', '.webmanifest'] as const;

export interface BundledPage {
  /** The contents by file name. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Absolute paths of the bundled source files. */
  readonly inputs: string[];
}

/**
 * @param folder contains index.html, main.ts and main.css
 */
export async function bundlePage(folder: string): Promise<BundledPage> {
  const copied = (await readdir(folder)).filter((name) => COPIED.some((kind) => kind === extname(name)));
  const { metafile, outputFiles } = await build({
    entryPoints: ['main.ts', 'main.css', ...copied].map((name) => join(folder, name)),
    absWorkingDir: folder,
    outdir: folder,
    outbase: folder,
    entryNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    loader: Object.fromEntries(COPIED.map((kind) => [kind, 'copy'])),
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    // Browser versions released in spring 2023.
    target: ['es2022', 'chrome111', 'firefox113', 'safari16.4'],
    legalComments: 'none',
    logLevel: 'silent',
  });
  const files = new Map(outputFiles.map((file) => [basename(file.path), Buffer.from(file.contents)]));
  let html = await readFile(join(folder, 'index.html'), 'utf8');
  for (const [path, { entryPoint }] of Object.entries(metafile.outputs)) {
    if (entryPoint === undefined) continue;
    html = html.replaceAll(
      `/assets/${basename(entryPoint).replace(/\.ts$/, '.js')}`,
      `/assets/${basename(path)}`,
    );
  }
  files.set('index.html', Buffer.from(html));
  return { files, inputs: Object.keys(metafile.inputs).map((input) => resolve(folder, input)) };
}
