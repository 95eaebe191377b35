/**
 * `npm run build`: writes `dist/`, the source that the functions buildpack deploys and that
 * `npx functions-framework --source=dist --target=T` runs; with `-- --out FOLDER`, into that new or empty folder.
 * The code is bundled for a short cold start. A function loads a few files, code that it may not need is in others,
 * and Google's packages have one shared copy. The framework is not bundled, because the functions must register in the
 * server's copy.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { bundlePage } from '../console/api/bundle-page.ts';
import { MAIN, TARGETS } from '../functions/runtime/targets.ts';
import {
  bundledFiles,
  bundleFunctions,
  bundleGooglePackages,
  bundleMimeLibraries,
  bundleParseWorker,
  FRAMEWORK,
  fileOf,
} from './build/bundle.ts';
import { distLockfile, type Lockfile, type Manifest } from './build/dist-lockfile.ts';
import { writeLicenses } from './build/licenses.ts';
import { callerPath } from './support/caller-path.ts';
import { runCommand } from './support/command.ts';
import { readFlags, UsageError } from './support/flags.ts';
import { say } from './support/terminal.ts';

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');

/**
 * The image is built for the target `main`, and APP_FUNCTION names the function that an instance serves. The framework takes
 * the target from `--target` before FUNCTION_TARGET. An unknown target loads all functions, and the framework reports it.
 */
const ENTRY = `const files = ${JSON.stringify(Object.fromEntries(TARGETS.map((target) => [target, fileOf(target)])))};
const { APP_FUNCTION: app, FUNCTION_TARGET } = process.env;
const [, target = FUNCTION_TARGET] = / --target[= ](\\S+)/.exec(process.argv.join(' ')) ?? [];
if (!Object.hasOwn(files, app) && (target === '${MAIN}' || app)) {
  console.error(\`APP_FUNCTION must name the function to serve: \${Object.keys(files).join(', ')}. It is \${app ? JSON.stringify(app) : 'not set'}.\`);
  process.exit(1);
}
const served = target === '${MAIN}' ? app : target;
for (const name of Object.hasOwn(files, served) ? [served] : Object.keys(files)) await import(\`./chunks/\${files[name]}.mjs\`);
`;

const USAGE = `Usage: npm run build [-- --out FOLDER]
Writes dist/, the source that is deployed.
  --out FOLDER  write to this new or empty folder instead`;

await runCommand(USAGE, async () => {
  const started = performance.now();
  const out = outputFolder();
  const sizes = await Promise.all([
    // The console loads the code of each route at its first request, in many small files. The others would consist of them too.
    bundleFunctions(
      TARGETS.filter((target) => target !== 'console'),
      out,
    ),
    bundleFunctions(['console'], out),
    bundleGooglePackages(out),
    bundleMimeLibraries(out),
    bundleParseWorker(out),
  ]);
  writeFileSync(join(out, 'index.mjs'), ENTRY);
  const pageInputs = await writePage(join(out, 'console-page'));
  writeLicenses(out, [...bundledFiles, ...pageInputs]);
  // `shared/db/schema/migrations.ts` reads them from here.
  cpSync(join(ROOT, 'sql/migrations'), join(out, 'migrations'), { recursive: true });
  const manifest = deployedPackage();
  writeJson(join(out, 'package.json'), manifest);
  writeJson(join(out, 'package-lock.json'), distLockfile(manifest, readJson<Lockfile>('package-lock.json')));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  say(
    `${relative(process.cwd(), out)}/ written: ${(bytes / 1_048_576).toFixed(1)} MB with source maps, ${seconds} s`,
  );
});

/** Only `dist/` is emptied; any other folder must be empty. */
function outputFolder(): string {
  const { out } = readFlags({ out: { type: 'string' } });
  if (out === undefined) rmSync(DIST, { recursive: true, force: true });
  const folder = out === undefined ? DIST : callerPath(out);
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).length > 0)
    throw new UsageError(`--out must name a new or empty folder; ${folder} is not empty.`);
  return folder;
}

/** `console/api/page-assets.ts` reads the page from here. @returns absolute paths of the page's source files */
async function writePage(folder: string): Promise<string[]> {
  mkdirSync(folder);
  const { files, inputs } = await bundlePage(join(ROOT, 'console/web'));
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  return inputs;
}

function deployedPackage(): Manifest & Readonly<Record<string, unknown>> {
  const { name, version, engines, dependencies } = readJson<Manifest>('package.json');
  return {
    name,
    version: `${version}${commit()}`,
    private: true,
    type: 'module',
    main: 'index.mjs',
    engines,
    dependencies: { [FRAMEWORK]: dependencies[FRAMEWORK] ?? '' },
  };
}

/** `+abc1234`, the commit of the deployed version; empty outside of a git checkout. */
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

/** @param file in the project's folder */
function readJson<Content>(file: string): Content {
  return JSON.parse(readFileSync(join(ROOT, file), 'utf8'));
}

function writeJson(file: string, content: object): void {
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
}
