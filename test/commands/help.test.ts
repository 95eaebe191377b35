import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { runToEnd } from '../helpers/command-process.ts';

// Each command is a process of its own, and a busy machine starts it slowly.
vi.setConfig({ testTimeout: 30_000 });

const { scripts } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
const commands = Object.entries(scripts).flatMap(([name, script]) => {
  const file = /^node commands\/(.+)\.ts$/.exec(script)?.[1];
  return file === undefined ? [] : [[name, file] as const];
});

/** No terminal, no configuration, and nothing on PATH. */
async function help(file: string, option = '--help') {
  return await runToEnd(file, [option], { PATH: '/nonexistent' });
}

describe('--help', () => {
  it.each(commands)('of npm run %s tells how it is called, and does nothing', async (name, file) => {
    const { code, output } = await help(file);
    const called = name === 'start' ? 'npm start' : `npm run ${name}`;
    expect(output.split('\n')[0]).toMatch(new RegExp(`^Usage: ${called}( |$)`));
    // What it does is said too, and what it says fits the terminal.
    expect(output.split('\n').length).toBeGreaterThan(2);
    expect(Math.max(...output.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
    expect(code).toBe(0);
  });

  it('is -h as well, and wins over whatever else is said', async () => {
    expect(await help('migrate', '-h')).toEqual(await help('migrate'));
    const { code, output } = await runToEnd('reprocess', ['--all', '--nonsense', '--help'], {});
    expect([code, output]).toEqual([0, expect.stringMatching(/^Usage: npm run reprocess/)]);
  });

  it('is told to who says an option that there is not', async () => {
    const { code, output } = await runToEnd('doctor', ['--nonsense'], {});
    expect(code).not.toBe(0);
    expect(output).toContain('--nonsense');
    expect(output).toContain('Usage: npm run doctor');
    expect(output).not.toContain('    at ');
  });
});
