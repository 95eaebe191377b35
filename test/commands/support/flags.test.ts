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

it.each([
  ['give-up', ['give_up']],
  // npm reads their letters as its short options.
  ['apply', ['all', 'long', 'parseable', 'yes']],
  ['plan', ['all', 'long', 'parseable', 'yes']],
])('rejects --%s, which npm took because the operator forgot the --', (name, set) => {
  const options = { [name]: { type: 'boolean', default: false } } as const;
  const message = `npm took --${name} for itself. Write \`--\` before the options.`;
  for (const one of set) vi.stubEnv(`npm_config_${one}`, 'true');
  expect(() => readFlags(options, [])).toThrow(message);
  expect(() => readArguments(options, ['verb'])).toThrow(message);
  vi.unstubAllEnvs();
});

it('accepts options of npm that are set for npm', () => {
  for (const one of ['all', 'email', 'json', 'yes']) vi.stubEnv(`npm_config_${one}`, 'true');
  const flag = { type: 'boolean', default: false } as const;
  const options = { all: flag, apply: flag, email: { type: 'string' }, json: flag, yes: flag } as const;
  expect(readFlags(options, ['--apply'])).toMatchObject({ apply: true, yes: false });
  vi.unstubAllEnvs();
});
