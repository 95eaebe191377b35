/** Each attack that docs/security.md lists names a test that exists. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const DOCS = join(import.meta.dirname, '../../docs');
const document = readFileSync(join(DOCS, 'security.md'), 'utf8');
const ROW = /^\| (?!attack \|)(?!-)(.+?) \|.*\[[\w.-]+\]\((\.\.\/test\/[\w./-]+)\) "(.+?)" \|$/;

test('each attack in docs/security.md names a test that exists', () => {
  const attacks = document.split('\n').filter((line) => /^\| (?!attack \|)/.test(line));
  expect(attacks.length).toBeGreaterThanOrEqual(20);
  const missing = attacks.filter((line) => {
    const [, , file = '', name = ''] = ROW.exec(line) ?? [];
    const path = join(DOCS, file);
    return file === '' || !existsSync(path) || !readFileSync(path, 'utf8').includes(`'${name}'`);
  });
  expect(missing).toEqual([]);
});
