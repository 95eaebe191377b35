/**
 * `npm run build`: writes `dist/`, a source that the functions buildpack deploys and that
 * `npx functions-framework --source=dist --target=T` runs; with `-- --out FOLDER` into that new or empty folder.
 * Bundled, so that an instance starts in a fraction of the time: each function in one file, which is read in 30 ms less than
 * twenty that it would share with others, and what it may not need in files beside it; Google's packages, larger than all
 * the rest, are there once. The framework itself stays outside, because its registry must be the one of the process that serves.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bundlePage } from '../console/api/bundle-page.ts';
import { TARGETS } from '../functions/runtime/targets.ts';
import { bundleFunction, bundleGooglePackages, FRAMEWORK, fileOf } from './build/bundle.ts';
import { runCommand } from './support/command.ts';

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');

/**
 * Without the variable, as on a person's machine, the framework is told the target alone: then all are there, each with
 * a context and a pool of its own.
 */
const ENTRY = `const files = ${JSON.stringify(Object.fromEntries(TARGETS.map((target) => [target, fileOf(target)])))};
const { FUNCTION_TARGET: target } = process.env;
for (const name of Object.hasOwn(files, target) ? [target] : Object.keys(files)) await import(\`./chunks/\${files[name]}.mjs\`);
`;

const USAGE = `Usage: npm run build [-- --out FOLDER]
Writes dist/, the source that is deployed.
  --out FOLDER  into this new or empty folder instead`;

await runCommand(USAGE, async () => {
  const started = performance.now();
  const out = outputFolder();
  const sizes = await Promise.all([
    ...TARGETS.map(async (target) => await bundleFunction(target, out)),
    bundleGooglePackages(out),
  ]);
  writeFileSync(join(out, 'index.mjs'), ENTRY);
  await writePage(join(out, 'console-page'));
  // Where `shared/db/schema/migrations.ts` looks for them.
  cpSync(join(ROOT, 'sql/migrations'), join(out, 'migrations'), { recursive: true });
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(deployedPackage(), null, 2)}\n`);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
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

/** Where `console/api/page-assets.ts` looks for it. */
async function writePage(folder: string): Promise<void> {
  mkdirSync(folder);
  const files = await bundlePage(join(ROOT, 'console/web'));
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
