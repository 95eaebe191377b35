/**
 * `npm run build`: writes `dist/`, a source that the functions buildpack deploys and that
 * `npx functions-framework --source=dist --target=T` runs; with `-- --out FOLDER` into that new or empty folder.
 * Bundled, so that an instance starts in a fraction of the time; split, so that a function loads only what it uses. The
 * framework itself stays outside, because its registry must be the one of the process that serves.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { bundlePage } from '../shared/console/bundle-page.ts';
import { runCommand } from './command.ts';

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');
/** Not bundled: its registry of functions must be the server's own. */
const FRAMEWORK = '@google-cloud/functions-framework';

const USAGE = `Usage: npm run build [-- --out FOLDER]
Writes dist/, the source that is deployed.
  --out FOLDER  into this new or empty folder instead`;

await runCommand(USAGE, async () => {
  const started = performance.now();
  const out = outputFolder();
  const { metafile } = await build({
    entryPoints: { index: join(ROOT, 'functions/index.ts') },
    outdir: out,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // The bundler makes the console's page where the sources run; in the build the page is made already.
    external: [FRAMEWORK, 'pg-native', 'esbuild'],
    chunkNames: 'chunks/[name]-[hash]',
    // Says that they are ES modules. To find it out otherwise the framework loads packages, for 20 ms of a cold start.
    outExtension: { '.js': '.mjs' },
    sourcemap: 'linked',
    sourcesContent: false,
    metafile: true,
    logLevel: 'warning',
    // CommonJS packages inside an ES module bundle still call require, and Google's client of Cloud Scheduler asks for
    // its folder while it loads.
    banner: {
      js:
        "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url); " +
        'const __dirname = import.meta.dirname;',
    },
  });
  await writePage(join(out, 'console-page'));
  // Where `shared/db/migrations.ts` looks for them.
  cpSync(join(ROOT, 'sql/migrations'), join(out, 'migrations'), { recursive: true });
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(deployedPackage(), null, 2)}\n`);
  const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  process.stdout.write(
    `${relative(process.cwd(), out)}/ written: ${(bytes / 1_048_576).toFixed(1)} MB with source maps, ${seconds} s\n`,
  );
});

/** Only `dist/` is ours to empty. */
function outputFolder(): string {
  const { out } = parseArgs({ options: { out: { type: 'string' } } }).values;
  if (out === undefined) rmSync(DIST, { recursive: true, force: true });
  const folder = out === undefined ? DIST : resolve(out);
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).length > 0) throw new Error(`${folder} is not empty.`);
  return folder;
}

/** Where `shared/console/page.ts` looks for it. */
async function writePage(folder: string): Promise<void> {
  mkdirSync(folder);
  const files = await bundlePage(join(ROOT, 'console'));
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
}

/** With a lockfile of its own beside it the buildpack would insist on it; one exact version needs none. */
function deployedPackage(): object {
  const { name, version, engines, dependencies } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  );
  return {
    name,
    version: `${version}${commit()}`,
    private: true,
    type: 'module',
    main: 'index.mjs',
    engines,
    dependencies: { [FRAMEWORK]: dependencies[FRAMEWORK] },
  };
}

/** `+abc1234`, so that what is deployed names its commit; empty outside of a checkout. */
function commit(): string {
  try {
    const hash = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return `+${hash.trim()}`;
  } catch {
    return '';
  }
}
