/** Folders of PostgreSQL where other users of the machine can create files. The cases need root, who starts it as another user. */
import {
  chmodSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { reachableFolder } from '../../local/postgres/binaries.ts';
import { isOwnFolder, prepareClusterFolder, prepareDataFolder } from '../../local/postgres/own-folder.ts';

const SERVER = { uid: 60_001, gid: 60_001 };
const ATTACKER = { uid: 60_002, gid: 60_002 };
const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)(isRoot ? 'as root' : 'as root (skipped: not root)', () => {
  let folder: string;
  /** A folder of root that the attacker wants to own. */
  let victim: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'email-monitor-own-'));
    victim = join(folder, 'victim');
    mkdirSync(victim, { mode: 0o755 });
    vi.stubEnv('TMPDIR', join(folder, 'tmp'));
    mkdirSync(tmpdir());
    chmodSync(tmpdir(), 0o1777);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });

  const ownerOf = (path: string) => lstatSync(path).uid;
  const plantLink = (path: string) => {
    symlinkSync(victim, path);
    lchownSync(path, ATTACKER.uid, ATTACKER.gid);
  };
  const plantFolder = (path: string) => {
    mkdirSync(path);
    lchownSync(path, ATTACKER.uid, ATTACKER.gid);
  };

  it('neither follows a planted link nor takes over a folder of another user', () => {
    for (const plant of [plantLink, plantFolder]) {
      const path = join(tmpdir(), plant.name);
      plant(path);
      expect(() => prepareClusterFolder(path, SERVER)).toThrow('belongs to another user');
      expect(() => prepareDataFolder(path, SERVER)).toThrow('belongs to another user');
      expect(isOwnFolder(path)).toBe(false);
    }
    expect(ownerOf(victim)).toBe(0);
  });

  it('rejects a folder that every user can change', () => {
    const path = join(tmpdir(), 'open');
    mkdirSync(path);
    chmodSync(path, 0o777);
    expect(() => prepareClusterFolder(path, SERVER)).toThrow('can be changed by others');
    expect(isOwnFolder(path)).toBe(false);
  });

  it("gives the server's user the data only, so that it cannot replace what root writes", () => {
    const path = join(tmpdir(), 'cluster');
    prepareClusterFolder(path, SERVER);
    prepareDataFolder(join(path, 'data'), SERVER);
    expect([ownerOf(path), ownerOf(join(path, 'data'))]).toEqual([0, SERVER.uid]);
    expect([lstatSync(path).mode & 0o777, lstatSync(join(path, 'data')).mode & 0o777]).toEqual([
      0o711, 0o700,
    ]);
  });

  it('uses a new folder with a random name when the known one was replaced', () => {
    const home = join(folder, 'home');
    mkdirSync(home);
    chmodSync(home, 0o700);
    const wanted = join(home, '.local/postgres');
    // The name that earlier versions used.
    plantLink(join(tmpdir(), 'email-monitor'));
    const first = reachableFolder(wanted, SERVER);
    expect(reachableFolder(wanted, SERVER)).toBe(first);
    expect(dirname(first)).toMatch(/email-monitor-\w{6}$/);
    rmSync(dirname(first), { recursive: true });
    plantLink(dirname(first));
    const second = reachableFolder(wanted, SERVER);
    expect(second).not.toBe(first);
    writeFileSync(`${wanted}.path`, `${victim}/../link\n`);
    expect(reachableFolder(wanted, SERVER)).not.toBe(second);
    expect(ownerOf(victim)).toBe(0);
  });
});
