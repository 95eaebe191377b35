/** The project's own text files, for tests that read the sources as text. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const FOLDERS = [
  'commands',
  'console',
  'docs',
  'emulators',
  'examples',
  'functions',
  'local',
  'shared',
  'sql/migrations',
  'terraform',
  'test',
];
const ENDINGS = ['css', 'hcl', 'html', 'md', 'py', 'sql', 'tf', 'tftpl', 'ts'];

/** @returns paths from the root with `/`, each with its text */
export function projectTexts(): Map<string, string> {
  const paths = [
    ...globSync(`{${FOLDERS.join(',')}}/**/*.{${ENDINGS.join(',')}}`, {
      cwd: ROOT,
      exclude: (path) => path.endsWith('.terraform') || path.endsWith('node_modules'),
    }),
    ...['README.md', 'CONTRIBUTING.md', '.env.example', '.ci/run'],
  ];
  return new Map(
    paths
      .map((path) => path.replaceAll('\\', '/'))
      .sort()
      .map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]),
  );
}
