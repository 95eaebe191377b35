/** The bundles of `npm run build`: the functions, the thread that reads large emails, and the libraries that they load later. */
import { rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import type { Target } from '../../functions/runtime/targets.ts';
import { INJECTED_GLOBALS, lighterGooglePackages } from './lighter-google-packages.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Not bundled: the functions must register in the server's copy. */
export const FRAMEWORK = '@google-cloud/functions-framework';
/**
 * The files of `shared/google` that load a package. Large, and imported dynamically by the code that needs them. They are bundled
 * together, so that they share their common code.
 */
const GOOGLE_FILES = ['auth', 'gmail', 'pubsub', 'scheduler', 'sql-connector', 'storage'];
/** Libraries of the MIME parser, loaded only when an email needs them. All functions and the parser's thread share one copy. */
const MIME_LIBRARIES = [
  'mime/encoding/iconv',
  'mime/parts/file-type',
  'mime/text/html-library',
  'mime/smime/ber',
];

const OPTIONS = {
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  chunkNames: 'chunks/[name]-[hash]',
  // Marks them as ES modules. Otherwise the framework loads packages to find that out, which slows the cold start.
  outExtension: { '.js': '.mjs' },
  sourcemap: 'linked',
  sourcesContent: false,
  charset: 'utf8',
  logLevel: 'warning',
  // CommonJS packages in an ES module bundle still call require, and Google's Cloud Scheduler client reads __dirname
  // while it loads.
  banner: {
    js:
      "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url); " +
      'const __dirname = import.meta.dirname;',
  },
} satisfies BuildOptions;

/** Absolute paths of the source files of all bundles made so far, for their licences. */
export const bundledFiles = new Set<string>();

/** `gmail-push` for `gmailPush`. */
export function fileOf(target: Target): string {
  return target.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * Bundles functions together, so that they share their common code.
 *
 * @returns the number of bytes written
 */
export async function bundleFunctions(targets: readonly Target[], out: string): Promise<number> {
  return await bundle({
    entryPoints: targets.map((target) => ({ in: `${ENTRIES}:${target}`, out: fileOf(target) })),
    // In the folder of the files that it loads later, which find the page and the migrations relative to it.
    outdir: join(out, 'chunks'),
    chunkNames: '[name]-[hash]',
    // esbuild bundles the console's page at run time only when the sources run; the build contains the bundled page.
    external: [FRAMEWORK, 'pg-native', 'esbuild'],
    plugins: [entries, separatePackages],
  });
}

const ENTRIES = 'function';

/** The file of a function that registers it with the framework. */
const entries: Plugin = {
  name: 'entries',
  setup: ({ onLoad, onResolve }) => {
    onResolve({ filter: new RegExp(`^${ENTRIES}:`) }, ({ path }) => ({
      path: path.slice(ENTRIES.length + 1),
      namespace: ENTRIES,
    }));
    onLoad({ filter: /.*/, namespace: ENTRIES }, ({ path: target }) => ({
      contents: `
        import { serve } from './runtime/serve.ts';
        import * as served from './${fileOf(target as Target)}.ts';
        await serve({ ${target}: async () => served });`,
      resolveDir: join(ROOT, 'functions'),
    }));
  },
};

/**
 * The thread that reads large emails, where `shared/mime/parse-off-thread.ts` looks for it. Without a source map: its errors
 * become defects, not stack traces.
 *
 * @returns the number of bytes written
 */
export async function bundleParseWorker(out: string): Promise<number> {
  return await bundle({
    entryPoints: [join(ROOT, 'shared/mime/parse-worker.ts')],
    entryNames: 'chunks/[name]',
    outdir: out,
    sourcemap: false,
    plugins: [separatePackages],
  });
}

/**
 * The files that only re-export libraries, without source maps.
 *
 * @returns the number of bytes written
 */
export async function bundleMimeLibraries(out: string): Promise<number> {
  return await bundle({
    entryPoints: MIME_LIBRARIES.map((file) => join(ROOT, `shared/${file}.ts`)),
    entryNames: 'chunks/[name]',
    outdir: out,
    minify: true,
    sourcemap: false,
  });
}

/** @returns the number of bytes written */
export async function bundleGooglePackages(out: string): Promise<number> {
  const bytes = await bundle({
    entryPoints: GOOGLE_FILES.map((file) => join(ROOT, `shared/google/${file}.ts`)),
    entryNames: 'chunks/google-[name]',
    outdir: out,
    inject: INJECTED_GLOBALS,
    minifyWhitespace: true,
    plugins: [lighterGooglePackages],
  });
  // They map Google's code only, and are a large part of the zip.
  for (const file of ['pubsub', 'scheduler', 'sql-connector', 'storage'])
    rmSync(join(out, `chunks/google-${file}.mjs.map`));
  return bytes;
}

const separatePackages: Plugin = {
  name: 'separate-packages',
  setup: ({ onResolve }) => {
    onResolve({ filter: new RegExp(`/google/(${GOOGLE_FILES.join('|')})\\.ts$`) }, ({ path }) => ({
      path: `./google-${basename(path, '.ts')}.mjs`,
      external: true,
    }));
    for (const file of MIME_LIBRARIES.map((path) => basename(path))) {
      const filter = new RegExp(`/${file}\\.ts$`);
      onResolve({ filter }, () => ({ path: `./${file}.mjs`, external: true }));
    }
  },
};

async function bundle(options: BuildOptions): Promise<number> {
  const { metafile } = await build({ ...OPTIONS, ...options, metafile: true });
  for (const input of Object.keys(metafile.inputs)) bundledFiles.add(resolve(input));
  return Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
}
