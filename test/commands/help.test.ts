import { spawnSync } from 'node:child_process';
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
  it.each(commands)('prints the usage of npm run %s and does nothing', async (name, file) => {
    const { code, output } = await help(file);
    const called = name === 'start' ? 'npm start' : `npm run ${name}`;
    expect(output.split('\n')[0]).toMatch(new RegExp(`^Usage: ${called}( |$)`));
    // The usage describes the command, and fits into the terminal.
    expect(output.split('\n').length).toBeGreaterThan(2);
    expect(Math.max(...output.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
    expect(code).toBe(0);
  });

  it('works as -h too, and takes precedence over other arguments', async () => {
    expect(await help('migrate', '-h')).toEqual(await help('migrate'));
    const { code, output } = await runToEnd('reprocess', ['--all', '--nonsense', '--help'], {});
    expect([code, output]).toEqual([0, expect.stringMatching(/^Usage: npm run reprocess/)]);
  });
});

describe('a closed pipe', () => {
  it('ends the command without an error message', () => {
    const doctor = join(import.meta.dirname, '../../commands/doctor.ts');
    // `true` reads nothing, and has ended before the command prints its first line.
    const { status, stderr, stdout } = spawnSync(
      'sh',
      ['-c', `{ "${process.execPath}" "${doctor}"; echo "code $?" >&2; } | true`],
      { encoding: 'utf8', env: { PATH: process.env['PATH'], LOCAL_DATA_DIR: '/nonexistent' } },
    );
    expect([status, stdout, stderr]).toEqual([0, '', 'code 141\n']);
  });
});

describe('wrong arguments', () => {
  it.each(commands.filter(([name]) => name !== 'sql' && name !== 'bench'))(
    'npm run %s names an unknown option, and the command that prints its usage',
    async (name, file) => {
      const { code, output } = await runToEnd(file, ['--nonsense'], { PATH: '/nonexistent' });
      expect(code).not.toBe(0);
      const called = name === 'start' ? 'npm start' : `npm run ${name}`;
      expect(output).toBe(`Unknown option '--nonsense'.\nRun \`${called} -- --help\` for the usage.\n`);
    },
  );

  it.each([
    ['backfill', [], 'set --query, --since or --until'],
    ['backfill', ['--query'], "Option '--query <value>' argument missing"],
    ['backfill', ['2026-01-01'], "Unexpected argument '2026-01-01'"],
    ['backfill', ['--since', '2026-02-30'], '--since 2026-02-30 is not a date in the calendar'],
    ['bench', ['nonsense'], 'There is no benchmark "nonsense".'],
    ['bench', ['units', 'quota'], 'Unexpected argument "quota"'],
    ['consumer', [], 'Say what to do: list, or remove NAME.'],
    ['consumer', ['drop'], 'The argument "drop" is invalid: expected list or remove.'],
    ['consumer', ['list', 'x'], 'Unexpected argument "x".'],
    ['consumer', ['list', '--apply'], '--apply and --results need remove.'],
    ['consumer', ['remove'], 'remove needs the name of a consumer; list shows them.'],
    ['consumer', ['remove', 'No!'], 'The name "No!" is invalid: expected that of a consumer'],
    ['consumer', ['remove', 'a', 'b'], 'Unexpected argument "b".'],
    ['doctor', ['--json=x'], "Option '--json' does not take an argument"],
    ['doctor', ['--mailbox', 'ann'], '--mailbox "ann" is invalid: expected an email address.'],
    [
      'doctor',
      ['--mailbox', 'a@example.com', '--deployment'],
      '--mailbox and --deployment exclude each other.',
    ],
    [
      'erase',
      ['--sender', 'a@example.com', '--sender', 'b@example.com'],
      '--sender is given more than once.',
    ],
    ['consumer', ['list', '--apply', '--apply'], '--apply and --results need remove.'],
    ['mailbox', ['add', 'a@example.com', '--label', 'A', '--label=B'], '--label is given more than once.'],
    ['deploy', ['--wait', '1', '--wait', '2'], '--wait is given more than once.'],
    ['faults', ['--rounds', 'x'], '--rounds "x" is invalid: expected a whole number'],
    ['faults', ['--only', 'x'], '--only "x" is unknown. The kinds are: '],
    ['fuzz', ['--mails', '-1'], "Option '--mails' argument is ambiguous."],
    ['fuzz', ['--seed', '1.5'], '--seed "1.5" is invalid: expected a whole number'],
    ['authorize', ['--port', '70000'], '--port "70000" is invalid: expected a whole number from 0 to 65535.'],
    ['authorize', ['--file', 'x'], '--file needs --write.'],
    ['authorize', ['--mailbox', 'ann'], '--mailbox "ann" is invalid: expected an email address.'],
    ['authorize', ['--mailbox', 'a@example.com'], '--mailbox needs one of --secret-manager and --write.'],
    [
      'authorize',
      ['--mailbox', 'a@example.com', '--write', '--file', 'x'],
      '--file does not work with --mailbox',
    ],
    ['deploy', ['--var', 'x'], '--var "x" is invalid: expected NAME=VALUE.'],
    ['deploy', ['--wait', 'long'], '--wait "long" is invalid: expected a whole number'],
    ['mailbox', [], 'Say what to do: add, list, pause, resume or remove.'],
    ['mailbox', ['drop'], 'The argument "drop" is invalid: expected add, list, pause, resume, remove.'],
    ['mailbox', ['add'], 'add needs the address of a mailbox.'],
    ['mailbox', ['add', 'ann'], 'The address "ann" is invalid: expected an email address.'],
    ['mailbox', ['add', 'a@example.com', 'b'], 'Unexpected argument "b".'],
    ['mailbox', ['add', 'a@example.com', '--label', ' '], '--label is empty.'],
    ['mailbox', ['list', 'x'], 'Unexpected argument "x".'],
    ['mailbox', ['pause', 'a@example.com', '--delegation'], '--delegation, --label and --query need add.'],
    ['mailbox', ['pause', 'a@example.com', '--json'], '--json needs list.'],
    ['reprocess', ['--id', '0'], '--id "0" is invalid: expected a whole number from 1'],
    ['retry-dead', ['--now'], '--now needs --apply.'],
    ['sql', [], 'The SQL statement is missing.'],
    ['sql', ['--csv'], "Unknown option '--csv'."],
  ] as const)(
    'npm run %s %j names the argument and the reason, and not the whole usage',
    async (file, args, reason) => {
      const { code, output } = await runToEnd(file, args, { PATH: '/nonexistent' });
      expect(code).not.toBe(0);
      const [first = ''] = output.split('\n');
      expect(first).toContain(reason);
      expect(output.split('\n').slice(1)).toEqual([`Run \`npm run ${file} -- --help\` for the usage.`, '']);
    },
  );
});
