/**
 * Folders in places where other users can create files, such as the temp directory.
 * Invariant: the server's owner and files are never changed through a link or a folder that another user has planted.
 */
import { chmodSync, lchownSync, lstatSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Of an account in /etc/passwd. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** Others may pass through to the data, which is closed to them, and cannot list the folder. */
const PASSABLE = 0o711;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * True for a real folder, not a link, that belongs to the current user and that only this user can change. Always true on
 * Windows, which has no owner ids.
 */
export function isOwnFolder(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isDirectory()) return false;
  const uid = process.getuid?.();
  return uid === undefined || (stat.uid === uid && (stat.mode & WRITABLE_BY_OTHERS) === 0);
}

/** Creates a folder in the temp directory under a name that no other user can predict. */
export function createTempFolder(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  chmodSync(folder, PASSABLE);
  return folder;
}

/**
 * Creates the folder of a cluster, or checks it. It belongs to the current user: the server's user owns only `data` inside it,
 * and thus cannot replace the files that root writes.
 *
 * @throws {Error} when it is a link, or belongs to another user
 */
export function prepareClusterFolder(folder: string, user: ServerUser | null): void {
  mkdirSync(folder, { recursive: true });
  assertOwnedBy(folder, user);
  const uid = process.getuid?.();
  const gid = process.getgid?.();
  if (user === null || uid === undefined || gid === undefined) {
    chmodSync(folder, 0o700);
    return;
  }
  lchownSync(folder, uid, gid);
  chmodSync(folder, PASSABLE);
}

/** Creates the folder `data` of the server's user. @throws {Error} like `prepareClusterFolder` */
export function prepareDataFolder(data: string, user: ServerUser | null): void {
  mkdirSync(data, { recursive: true });
  assertOwnedBy(data, user);
  if (user !== null) lchownSync(data, user.uid, user.gid);
  chmodSync(data, 0o700);
}

function assertOwnedBy(folder: string, user: ServerUser | null): void {
  const uid = process.getuid?.();
  const stat = lstatSync(folder);
  const isOwner = uid === undefined || stat.uid === uid || stat.uid === user?.uid;
  const isPlanted = user !== null && (stat.mode & WRITABLE_BY_OTHERS) !== 0;
  if (stat.isDirectory() && isOwner && !isPlanted) return;
  throw new Error(
    `${folder} is a link, belongs to another user, or can be changed by others. Remove it, or set LOCAL_DATA_DIR to another folder.`,
  );
}
