/** The licence notices in `dist/`, compared with what the source maps and bundles of the build contain. */
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundledFiles, bundleGooglePackages } from '../../commands/build/bundle.ts';
import {
  type BundledPackage,
  formatLicenses,
  LICENSES_FILE,
  readPackages,
} from '../../commands/build/licenses.ts';
import { bundlePage } from '../../console/api/bundle-page.ts';
import { writeDist } from './dist.ts';

const ROOT = join(import.meta.dirname, '../..');

let folder: string;
let text: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'email-monitor-licenses-'));
  await writeDist(join(folder, 'dist'));
  text = readFileSync(join(folder, 'dist', LICENSES_FILE), 'utf8');
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** @returns names with versions, as lines of the file list them */
function namesOf(packages: readonly BundledPackage[]): string[] {
  return packages.map((one) => one.name);
}

const isListed = (name: string): boolean => text.includes(`\n${name}\n`);

describe('the licence notices of the build', () => {
  it('list every package that a source map of the functions names', () => {
    const maps = globSync('chunks/*.map', { cwd: join(folder, 'dist') });
    const sources = maps.flatMap(
      (map) => JSON.parse(readFileSync(join(folder, 'dist', map), 'utf8')).sources as string[],
    );
    // The source map of a package that is itself a bundle names files that were never installed.
    const files = sources
      .map((source) => join(folder, 'dist/chunks', source))
      .filter((file) => existsSync(file));
    const names = namesOf(readPackages(files));
    expect(names).toEqual(
      expect.arrayContaining([expect.stringMatching(/^pg@/), expect.stringMatching(/^zod@/)]),
    );
    expect(names.filter((name) => !isListed(name))).toEqual([]);
  });

  it("list every package of Google's bundle, which is loaded only when needed", async () => {
    await bundleGooglePackages(join(folder, 'google'));
    const names = namesOf(readPackages(bundledFiles));
    expect(names).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^googleapis@/),
        expect.stringMatching(/^@google-cloud\/scheduler@/),
      ]),
    );
    expect(names.filter((name) => !isListed(name))).toEqual([]);
  });

  it('list the packages of the MIME libraries and of the parser thread', () => {
    for (const name of ['iconv-lite', 'html-to-text', 'asn1js', 'file-type']) {
      expect(isListed(namesOf(readPackages([join(ROOT, 'node_modules', name, 'index.js')]))[0] ?? name)).toBe(
        true,
      );
    }
  });

  it("list the packages of the console's page", async () => {
    const names = namesOf(readPackages((await bundlePage(join(ROOT, 'console/web'))).inputs));
    expect(names).toEqual([expect.stringMatching(/^uplot@/)]);
    expect(names.filter((name) => !isListed(name))).toEqual([]);
  });

  it('contain the licence of a package that has it in its README only', () => {
    const [section] = text.split(`\n${'-'.repeat(80)}\n`).filter((one) => /^pgpass@/m.test(one));
    expect(section).toContain('Hannes Hörl');
    expect(section).toContain('Permission is hereby granted');
  });

  it('contain no package without a licence text of at least 400 characters', () => {
    const sections = text.split(`\n${'-'.repeat(80)}\n`);
    expect(sections.length).toBeGreaterThan(10);
    expect(sections.filter((section) => section.length < 400)).toEqual([]);
  });
});

describe('formatLicenses', () => {
  const zlib: BundledPackage = { name: 'b@1.0.0', license: 'Zlib', notice: 'Copyright B' };
  const apache: BundledPackage = { name: 'a@1.0.0', license: 'Apache-2.0', notice: 'Apache License' };

  it('writes a text that several packages have once, after all their names', () => {
    const written = formatLicenses([zlib, { ...zlib, name: 'c@2.0.0' }]);
    expect(written).toContain('b@1.0.0\nc@2.0.0\n\nCopyright B');
    expect(written.split('Copyright B')).toHaveLength(2);
  });

  it('completes the MIT licence of a package without its text by the copyright holder, if that is known', () => {
    const text = 'Permission is hereby granted, as is. DEALINGS IN THE SOFTWARE.';
    const other: BundledPackage = {
      name: 'other@1.0.0',
      license: 'MIT',
      notice: `Copyright (c) Other\n\n${text}`,
    };
    expect(formatLicenses([other, { name: 'stubs@3.0.0', license: 'MIT', notice: null }])).toContain(
      `stubs@3.0.0\n\nCopyright (c) Stephen Sawchuk\n\n${text}`,
    );
  });

  it('uses the Apache text of another package for one that does not include it', () => {
    expect(formatLicenses([apache, { name: 'd@1.0.0', license: 'Apache-2.0', notice: null }])).toContain(
      'a@1.0.0\nd@1.0.0\n\nApache License',
    );
  });

  it.each(['MIT', 'Zlib', null])(
    'fails for a package without a text whose license field is %s',
    (license) => {
      expect(() => formatLicenses([zlib, { name: 'd@1.0.0', license, notice: null }])).toThrow(
        `contain no licence text: d@1.0.0 (${license ?? 'no license field'})`,
      );
    },
  );
});
