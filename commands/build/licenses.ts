/**
 * The licence notices of all packages whose code is in the build. Their licences require that copies of the code contain the
 * notice. The functions framework is not included: npm installs it with its own notices.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const LICENSES_FILE = 'THIRD_PARTY_LICENSES.txt';

/** The innermost package of a path. */
const PACKAGE_FOLDER = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;
const NOTICE_FILE = /^(?:licen[sc]e|copying|notice)(?:[.-].*)?$/i;
/** Some packages have their licence only in a section of the README. It counts if it names the copyright holder. */
const README_SECTION = /^(?:#+ )?licen[sc]e[ \t]*\n(?:[-=]+\n)?(.*?copyright.*?)(?=^#|$(?![\s\S]))/ims;
/** Licences whose text names no copyright holder, so that the text of one package is that of every other. */
const SAME_TEXT: ReadonlySet<string> = new Set(['Apache-2.0']);
/** Copyright holders, by package name, of packages that declare the MIT licence and do not contain its text. */
const MIT_HOLDERS: ReadonlyMap<string, string> = new Map([
  ['stream-events', 'Stephen Sawchuk'],
  ['stubs', 'Stephen Sawchuk'],
]);
/** The part of the MIT licence that names no copyright holder. */
const MIT_TEXT = /Permission is hereby granted[\s\S]+?DEALINGS\s+IN\s+THE\s+SOFTWARE\./;

export interface BundledPackage {
  /** With version, such as `zod@4.6.7`. */
  readonly name: string;
  /** The licence field of package.json; null: none. */
  readonly license: string | null;
  /** Licence and notices as the package contains them; null: none. */
  readonly notice: string | null;
}

/**
 * Writes the notices next to the bundles, each text once.
 *
 * @param inputs absolute paths of all bundled source files
 * @throws {Error} names the packages whose licence is unknown
 */
export function writeLicenses(out: string, inputs: Iterable<string>): void {
  writeFileSync(join(out, LICENSES_FILE), formatLicenses(readPackages(inputs)));
}

/** @returns the packages that contain the files, by name; files outside of packages are left out */
export function readPackages(inputs: Iterable<string>): BundledPackage[] {
  const folders = new Set(
    [...inputs].flatMap((path) => PACKAGE_FOLDER.exec(path.replaceAll('\\', '/'))?.[0] ?? []),
  );
  const packages = new Map([...folders].map(readPackage).map((one) => [one.name, one]));
  return [...packages.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** @throws {Error} names the packages whose licence is unknown */
export function formatLicenses(packages: readonly BundledPackage[]): string {
  const names = new Map<string, string[]>();
  const unknown: string[] = [];
  for (const one of packages) {
    const notice = one.notice ?? sameText(one, packages);
    if (notice === null) unknown.push(`${one.name} (${one.license ?? 'no license field'})`);
    else names.set(notice, [...(names.get(notice) ?? []), one.name]);
  }
  if (unknown.length > 0)
    throw new Error(
      `These bundled packages contain no licence text: ${unknown.join(', ')}. ` +
        'Replace them, or add their text in commands/build/licenses.ts.',
    );
  const sections = [...names].map(([notice, list]) => `${list.join('\n')}\n\n${notice}\n`);
  return `Licences of the packages that are part of this build\n\n${sections.join(`\n${'-'.repeat(80)}\n\n`)}`;
}

function readPackage(folder: string): BundledPackage {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return {
    name: `${name}@${version}`,
    license: typeof license === 'string' ? license : null,
    notice: readNotice(folder),
  };
}

function readNotice(folder: string): string | null {
  const files = readdirSync(folder).sort();
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n');
  const notices = files.filter((file) => NOTICE_FILE.test(file)).map((file) => read(file).trim());
  if (notices.length > 0) return notices.join('\n\n');
  const readme = files.find((file) => /^readme\.md$/i.test(file));
  return (readme === undefined ? null : README_SECTION.exec(read(readme))?.[1]?.trim()) ?? null;
}

function sameText({ license, name }: BundledPackage, packages: readonly BundledPackage[]): string | null {
  const holder = MIT_HOLDERS.get(name.replace(/@[^@]+$/, ''));
  if (license === 'MIT' && holder !== undefined) {
    const text = packages.map(({ notice }) => MIT_TEXT.exec(notice ?? '')?.[0]).find((found) => found);
    return text === undefined ? null : `Copyright (c) ${holder}\n\n${text}`;
  }
  if (license === null || !SAME_TEXT.has(license)) return null;
  return packages.find((other) => other.license === license && other.notice !== null)?.notice ?? null;
}
