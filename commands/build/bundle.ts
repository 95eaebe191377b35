/** The bundles of `npm run build`: a function each, and Google's packages beside them. */
import { join } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import type { Target } from '../../functions/runtime/targets.ts';
import { INJECTED_GLOBALS, lighterGooglePackages } from './lighter-google-packages.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Not bundled: its registry of functions must be the server's own. */
export const FRAMEWORK = '@google-cloud/functions-framework';
/** Larger than all the rest, and loaded late: written once, in one go, so that they share what they share. */
const GOOGLE_FILES = ['cloud-scheduler', 'gmail-api', 'google-auth'];

const OPTIONS = {
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  chunkNames: 'chunks/[name]-[hash]',
  // Says that they are ES modules. To find it out otherwise the framework loads packages, for 20 ms of a cold start.
  outExtension: { '.js': '.mjs' },
  sourcemap: 'linked',
  sourcesContent: false,
  logLevel: 'warning',
  // CommonJS packages inside an ES module bundle still call require, and Google's client of Cloud Scheduler asks for
  // its folder while it loads.
  banner: {
    js:
      "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url); " +
      'const __dirname = import.meta.dirname;',
  },
} satisfies BuildOptions;

/** gmailPush: gmail-push */
export function fileOf(target: Target): string {
  return target.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** @returns bytes written */
export async function bundleFunction(target: Target, out: string): Promise<number> {
  const file = fileOf(target);
  return await bundle({
    stdin: {
      contents: `
        import { serve } from './runtime/serve.ts';
        import * as served from './${file}.ts';
        await serve({ ${target}: async () => served });`,
      resolveDir: join(ROOT, 'functions'),
    },
    // Beside what it loads late, which looks for the page and the migrations from there.
    entryNames: `chunks/${file}`,
    outdir: out,
    // The bundler makes the console's page where the sources run; in the build the page is made already.
    external: [FRAMEWORK, 'pg-native', 'esbuild'],
    plugins: [googlePackagesBeside],
  });
}

/** @returns bytes written */
export async function bundleGooglePackages(out: string): Promise<number> {
  return await bundle({
    entryPoints: GOOGLE_FILES.map((file) => join(ROOT, `shared/${file}.ts`)),
    entryNames: 'chunks/[name]',
    outdir: out,
    inject: INJECTED_GLOBALS,
    plugins: [lighterGooglePackages],
  });
}

const googlePackagesBeside: Plugin = {
  name: 'google-packages-beside',
  setup: ({ onResolve }) => {
    for (const file of GOOGLE_FILES) {
      const filter = new RegExp(`/${file}\\.ts$`);
      onResolve({ filter }, () => ({ path: `./${file}.mjs`, external: true }));
    }
  },
};

async function bundle(options: BuildOptions): Promise<number> {
  const { metafile } = await build({ ...OPTIONS, ...options, metafile: true });
  return Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
}
