import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

it('functions, the core and the page import only types of shared/schemas, so that no request loads zod', () => {
  const offenders = ['functions', 'shared', 'console'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .map((name) => `${folder}/${name}`)
      .filter((path) => path.endsWith('.ts') && !path.startsWith('shared/schemas/'))
      .filter((path) =>
        /^import (?!type )[^;]*from '[./]*(?:shared\/)?schemas\//m.test(
          readFileSync(join(ROOT, path), 'utf8'),
        ),
      ),
  );
  expect(offenders).toEqual([]);
});
