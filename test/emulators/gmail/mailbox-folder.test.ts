import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EmulatedGmail } from '../../../emulators/gmail/emulated-gmail.ts';
import { fillFromFolder } from '../../../emulators/gmail/mailbox-folder.ts';
import { mail } from './mailbox-under-test.ts';

const nowMs = Date.UTC(2026, 10, 5, 12);

async function folderWith(files: Record<string, Buffer>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gmail-folder-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    await utimes(path, 1_700_000_000, 1_700_000_000);
  }
  return folder;
}

async function filled(folder: string) {
  const gmail = new EmulatedGmail();
  const result = await fillFromFolder(gmail.mailbox, folder, { nowMs });
  return { gmail, result, messages: [...gmail.mailbox.messages.values()] };
}

describe('fillFromFolder', () => {
  it('delivers .eml files sorted by path, skips other files, and assigns the same ids each time', async () => {
    const folder = await folderWith({
      'b.eml': mail('second'),
      'a/one.EML': mail('first'),
      'readme.txt': Buffer.from('not a message'),
      'c.eml': mail('second'),
    });
    const { result, messages } = await filled(folder);
    expect(result).toEqual({ deliveredCount: 3, knownCount: 0, skippedCount: 1 });
    expect(messages.map(({ raw }) => /Subject: (\w+)/.exec(raw.toString())?.[1])).toEqual([
      'first',
      'second',
      'second',
    ]);
    expect(messages.map(({ id }) => id).every((id) => /^[0-9a-f]{16}$/.test(id))).toBe(true);
    expect(new Set(messages.map(({ id }) => id)).size).toBe(3);
    expect((await filled(folder)).messages.map(({ id }) => id)).toEqual(messages.map(({ id }) => id));
  });

  it('delivers a file with another name if it starts with a message header', async () => {
    const folder = await folderWith({
      'order.raw': mail('raw'),
      'notes.txt': Buffer.from('Subject to change: prices.\n\nFrom: no one'),
      mbox: Buffer.from('From alice@example.com Mon Nov  2 09:30:00 2026\nSubject: many\n\nHello\n'),
    });
    const { result, messages } = await filled(folder);
    expect(result).toEqual({ deliveredCount: 1, knownCount: 0, skippedCount: 2 });
    expect(messages[0]?.raw.toString()).toContain('Subject: raw');
  });

  it('uses the Date header, or the file time if the header is missing, unreadable or in the future', async () => {
    const folder = await folderWith({
      'dated.eml': mail('dated', { headers: ['Date: Wed, 4 Nov 2026 10:00:00 +0100 (CET)'] }),
      'future.eml': mail('future', { headers: ['Date: Wed, 4 Nov 2099 10:00:00 +0100'] }),
      'undated.eml': mail('undated', { headers: ['Date: soon'] }),
    });
    const { messages } = await filled(folder);
    expect(messages.map(({ internalDateMs }) => internalDateMs)).toEqual([
      Date.UTC(2026, 10, 4, 9),
      1_700_000_000_000,
      1_700_000_000_000,
    ]);
  });

  it('delivers nothing twice, not even deleted messages', async () => {
    const folder = await folderWith({ 'a.eml': mail('a'), 'b.eml': mail('b') });
    const { gmail, messages } = await filled(folder);
    gmail.delete(messages[0]?.id ?? '');
    const again = await fillFromFolder(gmail.mailbox, folder, { nowMs });
    expect(again).toEqual({ deliveredCount: 0, knownCount: 2, skippedCount: 0 });
    expect(gmail.mailbox.messages.size).toBe(1);
  });

  it('throws with the reason for a missing path, a file, or a folder without messages', async () => {
    const folder = await folderWith({ 'note.txt': Buffer.from('x') });
    await expect(filled(folder)).rejects.toThrow('There is no .eml file in the mail folder');
    await expect(filled(join(folder, 'nowhere'))).rejects.toThrow('it does not exist');
    await expect(filled(join(folder, 'note.txt'))).rejects.toThrow('it is not a folder');
  });
});
