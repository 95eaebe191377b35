import { posix } from 'node:path';
import { expect, test } from 'vitest';
import { projectTexts } from './sources.ts';

const SPECIFIER = /(?:from|import\()\s*'(\.{1,2}\/[^']+\.ts)'/g;

function importsByFile(): Map<string, string[]> {
  const sources = [...projectTexts()].filter(([path]) => path.endsWith('.ts'));
  return new Map(
    sources.map(([path, text]) => [
      path,
      [...text.matchAll(SPECIFIER)].map(([, specifier = '']) =>
        posix.normalize(posix.join(posix.dirname(path), specifier)),
      ),
    ]),
  );
}

/** @returns one cycle as a path that begins and ends with the same file, or null */
function findCycle(imports: ReadonlyMap<string, readonly string[]>): string[] | null {
  const finished = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): string[] | null => {
    const start = trail.indexOf(path);
    if (start !== -1) return [...trail.slice(start), path];
    if (finished.has(path)) return null;
    trail.push(path);
    for (const next of imports.get(path) ?? []) {
      const cycle = visit(next);
      if (cycle !== null) return cycle;
    }
    trail.pop();
    finished.add(path);
    return null;
  };
  for (const path of imports.keys()) {
    const cycle = visit(path);
    if (cycle !== null) return cycle;
  }
  return null;
}

test('no file imports itself through others, type-only imports included', () => {
  const imports = importsByFile();
  expect(imports.size).toBeGreaterThan(300);
  expect(findCycle(imports)).toBeNull();
});

test('findCycle reports a cycle of three files', () => {
  const imports = new Map([
    ['a.ts', ['b.ts']],
    ['b.ts', ['c.ts']],
    ['c.ts', ['a.ts']],
  ]);
  expect(findCycle(imports)).toEqual(['a.ts', 'b.ts', 'c.ts', 'a.ts']);
});
