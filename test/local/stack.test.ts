/** What is left of the local stack when its start or its stop is cut short: never a running PostgreSQL. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { dataFolderOf } from '../../local/local-env.ts';
import { folderNote } from '../../local/mailbox.ts';
import { freePort, portProblem } from '../../local/ports.ts';
import { stopOrphan } from '../../local/postgres/server.ts';
import { type CommandProcess, runToEnd, startCommand } from '../helpers/command-process.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

// A start makes a database cluster, which takes seconds on a busy machine.
vi.setConfig({ testTimeout: 90_000 });

const isRoot = process.getuid?.() === 0;
/** Belongs to no account. */
const OTHER_USER = { uid: 60_002, gid: 60_002 };

let dataFolder: string;
beforeEach(() => {
  dataFolder = mkdtempSync(join(tmpdir(), 'email-monitor-stack-'));
});
afterEach(async () => {
  await stopOrphan(join(dataFolder, 'postgres'));
  rmSync(dataFolder, { recursive: true, force: true });
});

async function start(env: Record<string, string> = {}): Promise<CommandProcess> {
  return startCommand('start', [], { LOCAL_DATA_DIR: dataFolder, PORT: String(await freePort()), ...env });
}

/** Lines of `ps` about the PostgreSQL processes of this data folder: process id and command line. */
function postgresProcesses(): string[] {
  const pathFile = join(dataFolder, 'postgres.path');
  const folder = existsSync(pathFile) ? readFileSync(pathFile, 'utf8').trim() : join(dataFolder, 'postgres');
  const processes = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n');
  return processes.filter((line) => line.includes(folder));
}

function postgresProcessIds(): number[] {
  return postgresProcesses().map((line) => Number.parseInt(line, 10));
}

async function expectNoPostgres(): Promise<void> {
  await vi.waitFor(() => expect(postgresProcesses()).toEqual([]), { timeout: 20_000, interval: 100 });
}

/** False for a file that no longer exists. */
function isReadableByOthers(path: string): boolean {
  return ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0;
}

it('the data folder is absolute, because initdb runs in another folder, and a blank LOCAL_DATA_DIR is the default', () => {
  expect(dataFolderOf({ LOCAL_DATA_DIR: ' second ' })).toBe(join(process.cwd(), 'second'));
  expect(dataFolderOf({ LOCAL_DATA_DIR: ' ' })).toBe(dataFolderOf({}));
});

describe('npm start', () => {
  it('stops PostgreSQL when the start fails later, and prints the reason', async () => {
    const command = await start({ RUN_BUDGET_SECONDS: 'much' });
    expect(await command.ended()).toBe(1);
    expect(command.output).toMatch(/RUN_BUDGET_SECONDS must be a whole number/);
    expect(readdirSync(dataFolder)).toContain('scheduler.json');
    expect(readdirSync(dataFolder)).not.toContain('stack.pid');
    await expectNoPostgres();
  });

  it('stops everything in order at a Ctrl-C that npm forwards a second time', async () => {
    const command = await start();
    await command.printed(/Email Monitor is running on this machine/);
    expect(postgresProcesses()).not.toEqual([]);
    // The kernel would merge two pending signals of one kind.
    command.signal('SIGINT');
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(0);
    expect(command.output).toContain('Stopping.');
    expect(readdirSync(dataFolder)).not.toContain('stack.pid');
    await expectNoPostgres();
  });

  it('keeps its files and the environment of its PostgreSQL from other users of the machine', async () => {
    const command = await start({ GMAIL_INITIAL_QUERY: 'in:inbox' });
    await command.printed(/Email Monitor is running on this machine/);
    const readable = readdirSync(dataFolder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      // PostgreSQL's own folder is closed as a whole.
      .filter((path) => !path.includes('/data/') && isReadableByOthers(path));
    expect(readable).toEqual([]);
    expect(readdirSync(join(dataFolder, 'gmail'))).not.toEqual([]);
    const environments = postgresProcessIds().map((id) => readFileSync(`/proc/${id}/environ`, 'latin1'));
    expect(environments).not.toEqual([]);
    expect(environments.join('\n')).not.toMatch(/GMAIL|LOCAL_DATA_DIR/);
    command.signal('SIGINT');
    expect(await command.ended()).toBe(0);
  });

  it.skipIf(!isRoot)(
    'lets no other user of the machine read emails, tokens or the data of PostgreSQL',
    async () => {
      // The others can enter the folder, as in a shared temp directory.
      chmodSync(dataFolder, 0o755);
      const command = await start();
      await command.printed(/Email Monitor is running on this machine/);
      const readAs = ({ uid, gid }: typeof OTHER_USER, path: string) =>
        execFileSync('cat', [path], {
          uid,
          gid,
          encoding: 'latin1',
          stdio: ['ignore', 'pipe', 'ignore'],
        });
      const files = readdirSync(dataFolder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name));
      expect(files.length).toBeGreaterThan(3);
      const readable = files.filter((path) => {
        try {
          return readAs(OTHER_USER, path) !== undefined;
        } catch {
          return false;
        }
      });
      expect(readable).toEqual([]);
      // PostgreSQL's own user can read the environment of its processes.
      const [server] = postgresProcessIds();
      const environment = readAs(statSync(`/proc/${server}`), `/proc/${server}/environ`);
      expect(environment).toMatch(/PATH|LANG|LC_|TZ/);
      expect(environment).not.toMatch(/GMAIL|LOCAL_DATA_DIR/);
      expect(() => readAs(OTHER_USER, `/proc/${server}/environ`)).toThrow();
      command.signal('SIGINT');
      expect(await command.ended()).toBe(0);
    },
  );

  it('stops PostgreSQL at a Ctrl-C during the start', async () => {
    const command = await start();
    await vi.waitFor(() => expect(postgresProcesses().join('\n')).toContain('listen_addresses'), {
      timeout: 60_000,
      interval: 20,
    });
    command.signal('SIGINT');
    expect(await command.ended()).toBe(130);
    expect(command.output).toContain('Stopped before the start was complete.');
    await expectNoPostgres();
  });

  it('stops PostgreSQL when the process exits without stopping it', async () => {
    const script = join(dataFolder, 'exit.ts');
    const server = join(import.meta.dirname, '../../local/postgres/server.ts');
    writeFileSync(
      script,
      `import { startPostgres } from '${server}';
       await startPostgres({ folder: '${dataFolder}/postgres', port: ${await freePort()}, database: 'orders' });
       process.exit(3);`,
    );
    expect(() => execFileSync(process.execPath, [script])).toThrow();
    await expectNoPostgres();
  });
});

describe('npm start with DATABASE_URL', () => {
  let db: TestDatabase;
  beforeEach(async () => {
    db = await createTestDatabase();
  });
  afterEach(async () => await db.close());

  const run = async (name: string, args: string[], env: Record<string, string> = {}) =>
    await runToEnd(name, args, { LOCAL_DATA_DIR: dataFolder, METADATA_SERVER_DETECTION: 'none', ...env });

  it('lets doctor and backfill find the emulated Gmail, with and without DATABASE_URL', async () => {
    const command = await start({ DATABASE_URL: db.url });
    await command.printed(/Email Monitor is running on this machine/);
    for (const env of [{ DATABASE_URL: db.url }, {}]) {
      await vi.waitFor(async () => expect(await run('doctor', [], env)).toMatchObject(gmailAnswers), {
        timeout: 30_000,
        interval: 500,
      });
      const { output } = await run('backfill', ['--query', 'in:inbox', '--plan-only'], env);
      expect(output).toContain('Backfill of orders@example.com: in:inbox');
    }
    const other = { DATABASE_URL: db.url.replace('127.0.0.1', 'localhost') };
    expect((await run('doctor', [], other)).output).toMatch(/FAIL {2}credentials +not set/);

    command.signal('SIGINT');
    expect(await command.ended()).toBe(0);
    const { code, output } = await run('doctor', []);
    expect(code).toBe(2);
    expect(output).toMatch(/FAIL {2}local stack .*is `npm start` running\?/);
    expect(output).not.toContain('Nothing to do');
    expect((await run('backfill', ['--query', 'in:inbox'])).output).toContain('is `npm start` running?');
    // The server is the operator's own: what it says counts when no stack uses it.
    expect((await run('doctor', [], { DATABASE_URL: db.url })).output).toMatch(
      /FAIL {2}credentials +not set/,
    );
  });

  it('rejects another database system by its name', async () => {
    const command = await start({ DATABASE_URL: 'mysql://root@127.0.0.1/orders' });
    expect(await command.ended()).toBe(1);
    expect(command.output).toContain('DATABASE_URL must begin with postgresql://');
  });

  it('names an unknown database and what to check', async () => {
    const url = new URL(db.url);
    url.pathname = '/no-such-database';
    const command = await start({ DATABASE_URL: url.href });
    expect(await command.ended()).toBe(1);
    expect(command.output).toMatch(
      /PostgreSQL rejected the login: database "no-such-database" does not exist/,
    );
    expect(command.output).toContain('Check user, password, host and database name in DATABASE_URL');
  });
});

const gmailAnswers = {
  output: expect.stringMatching(/^ok {4}gmail api +answers for the mailbox orders@example.com$/m),
};

describe('portProblem', () => {
  it('says why a port cannot be opened, and how to choose another one', () => {
    expect(portProblem(80, 'EACCES')).toBe(
      'Port 80 of 127.0.0.1 needs administrator rights, as all low port numbers do. Choose another one: `PORT=9000 npm start`.',
    );
    expect(portProblem(8080, 'EADDRINUSE')).toMatch(/^Port 8080 of 127\.0\.0\.1 is taken\. /);
    expect(portProblem(8080, undefined)).toContain('cannot be opened (unknown error)');
  });

  it('is what npm start prints for a port that another process uses', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const command = await start({ PORT: String(port) });
    expect(await command.ended()).toBe(1);
    expect(command.output).toContain(portProblem(port, 'EADDRINUSE'));
    server.close();
  });
});

describe('folderNote', () => {
  it('uses the singular and the plural as the counts require', () => {
    expect(folderNote('mails', 1, 0)).toBe('1 email from mails');
    expect(folderNote('mails', 2, 1)).toBe('2 emails from mails; 1 other file skipped');
    expect(folderNote('mails', 0, 3)).toBe('0 emails from mails; 3 other files skipped');
  });
});
