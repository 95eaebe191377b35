import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkEnvFile, loadEnvFile } from '../../../commands/support/load-env-file.ts';

const KNOWN = ['GMAIL_CLIENT_ID', 'GMAIL_REFRESH_TOKEN', 'DATABASE_URL', 'DB_NAME', 'LOG_LEVEL', 'PORT'];

function problemsOf(...lines: string[]): string[] {
  return checkEnvFile(lines.join('\n'), KNOWN).map(({ line, problem }) => `${line}: ${problem}`);
}

describe('checkEnvFile', () => {
  it('accepts comments, blank lines, exported names, empty values and quoted values of several lines', () => {
    expect(
      problemsOf(
        '# A comment',
        '',
        'export GMAIL_CLIENT_ID=id',
        'DB_NAME=',
        '  LOG_LEVEL = "debug" # a comment',
        'GMAIL_REFRESH_TOKEN="first',
        'second line without equals sign"',
        'PORT=8080',
      ),
    ).toEqual([]);
  });

  it('accepts Windows line ends', () => {
    expect(problemsOf('DB_NAME=mail\r', 'PORT=8080\r')).toEqual([]);
  });

  it.each(['GMAIL_CLIENT_ID hush', 'GMAIL_CLIENT_ID: hush', 'GMAIL CLIENT_ID=hush', '=hush', '1ST=hush'])(
    'names a malformed line by its number and without its text: %s',
    (line) => {
      expect(problemsOf('PORT=8080', line)).toEqual([
        '2: malformed, and ignored. A line must have the form NAME=value.',
      ]);
    },
  );

  it.each([
    ['GMAIL_CLIENTID', 'GMAIL_CLIENT_ID'],
    ['gmail_client_id', 'GMAIL_CLIENT_ID'],
    ['GMAIL_REFESH_TOKEN', 'GMAIL_REFRESH_TOKEN'],
    ['DATABSE_URL', 'DATABASE_URL'],
    ['DB_NAM', 'DB_NAME'],
  ])('suggests the nearest known name for %s', (name, nearest) => {
    expect(problemsOf(`${name}=hush`)).toEqual([
      `1: ${name} is not a known variable. Did you mean ${nearest}?`,
    ]);
  });

  it('reports an unknown name with a prefix of this program, even when no known name resembles it', () => {
    expect(problemsOf('GMAIL_SIGNATURE_COLOUR=hush')).toEqual([
      '1: GMAIL_SIGNATURE_COLOUR is not a known variable. .env.example lists every variable.',
    ]);
  });

  it('accepts names that belong to other programs', () => {
    expect(problemsOf('PATH=/bin', 'POST=1', 'AWS_REGION=x', 'REDIS_URL=x', 'NODE_OPTIONS=x')).toEqual([]);
  });

  it('reports a quotation mark that is not closed, and checks the lines after it', () => {
    expect(problemsOf('DB_NAME="hush', 'LOG_LEVEL=info', 'GMAIL_CLIENTID=hush')).toEqual([
      '1: the quotation mark at the start of the value is not closed.',
      '3: GMAIL_CLIENTID is not a known variable. Did you mean GMAIL_CLIENT_ID?',
    ]);
    expect(problemsOf('DB_NAME="hush', 'LOG_LEVEL=info', 'PORT="8080"')).toEqual([
      '1: the quotation mark at the start of the value is not closed.',
    ]);
  });
});

describe('loadEnvFile', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'email-monitor-env-'));
    writeFileSync(join(folder, 'example'), KNOWN.map((name) => `${name}=\n`).join(''));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });

  it('sets the variables that are not set yet, and returns a warning without values for each useless line', () => {
    vi.stubEnv('DB_NAME', 'before');
    vi.stubEnv('LOG_LEVEL', undefined);
    writeFileSync(join(folder, '.env'), 'DB_NAME=file\nLOG_LEVEL=debug\nGMAIL_CLIENTID=hush\nhush\n');
    expect(loadEnvFile(join(folder, '.env'), join(folder, 'example'))).toEqual([
      '.env line 3: GMAIL_CLIENTID is not a known variable. Did you mean GMAIL_CLIENT_ID?',
      '.env line 4: malformed, and ignored. A line must have the form NAME=value.',
    ]);
    expect([process.env['DB_NAME'], process.env['LOG_LEVEL']]).toEqual(['before', 'debug']);
    delete process.env['GMAIL_CLIENTID'];
  });

  it('returns nothing when there is no file', () => {
    expect(loadEnvFile(join(folder, '.env'), join(folder, 'example'))).toEqual([]);
  });
});
