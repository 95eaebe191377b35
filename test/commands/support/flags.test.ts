import { expect, it, vi } from 'vitest';
import { readArguments, readFlags } from '../../../commands/support/flags.ts';

const OPTIONS = {
  sender: { type: 'string' },
  wait: { type: 'string', short: 'w', default: '60' },
  id: { type: 'string', multiple: true },
  apply: { type: 'boolean', default: false },
} as const;

it.each([
  [['--sender', 'a', '--sender', 'b'], '--sender'],
  [['--sender=a', '--apply', '--sender', 'a'], '--sender'],
  [['--wait', '1', '-w', '2'], '--wait'],
])('rejects an option for one value that is given twice: %j', (args, name) => {
  const message = `${name} is given more than once.`;
  expect(() => readFlags(OPTIONS, args)).toThrow(message);
  expect(() => readArguments(OPTIONS, ['verb', ...args])).toThrow(message);
});

it('accepts an option for several values, and an option without a value, more than once', () => {
  const args = ['--id', '1', '--id=2', '--apply', '--apply', '--sender', '--id=x'.slice(2)];
  expect(readFlags(OPTIONS, args)).toEqual({ id: ['1', '2'], apply: true, sender: 'id=x', wait: '60' });
});

it('reads what follows -- as words', () => {
  expect(readArguments(OPTIONS, ['--sender', 'a', '--', '--sender', 'b'])).toEqual({
    flags: { sender: 'a', wait: '60', apply: false },
    words: ['--sender', 'b'],
  });
});

it('says how to give a value that begins with a dash, such as the query -in:spam', () => {
  expect(() => readFlags(OPTIONS, ['--sender', '-in:spam'])).toThrow("use '--sender=-XYZ'");
  expect(readFlags(OPTIONS, ['--sender=-in:spam']).sender).toBe('-in:spam');
});

it('rejects an option that npm took because the operator forgot the --', () => {
  vi.stubEnv('npm_config_apply', 'true');
  const message = 'npm took --apply for itself. Write `--` before the options.';
  expect(() => readFlags(OPTIONS, [])).toThrow(message);
  expect(() => readArguments(OPTIONS, ['verb'])).toThrow(message);
  vi.unstubAllEnvs();
  // An option of npm may be set for npm.
  vi.stubEnv('npm_config_yes', 'true');
  expect(readFlags({ yes: { type: 'boolean', default: false } }, [])).toEqual({ yes: false });
  vi.unstubAllEnvs();
});
