import { appendFileSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EmulatedGmail } from '../../../emulators/gmail/emulated-gmail.ts';
import { fileJournal } from '../../../emulators/gmail/journal.ts';
import { mail } from './mailbox-under-test.ts';

async function journalPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gmail-journal-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, 'mailbox', 'journal.jsonl');
}

/** The state of a mailbox that clients can observe. */
function observableState(gmail: EmulatedGmail) {
  const { mailbox } = gmail;
  return {
    historyId: gmail.historyId,
    messages: [...mailbox.messages.values()].map((message) => ({
      ...message,
      labelIds: [...message.labelIds].sort(),
      raw: message.raw.toString('latin1'),
    })),
    history: mailbox.history.after(0n).map(({ heldUntilMs: _, ...record }) => record),
    labels: mailbox.labels.list(),
    watch: mailbox.watch,
  };
}

describe('journal', () => {
  it('restores ids, history, labels and watch after a restart', async () => {
    const path = await journalPath();
    const journal = fileJournal(path);
    const before = new EmulatedGmail({ journal });
    const orders = before.createLabel('Orders');
    const kept = before.deliver(Buffer.from([0, 10, 13, 255, 128]), { filterLabelIds: [orders] });
    const deleted = before.deliver(mail('deleted'));
    before.deleteLabel(before.createLabel('Short-lived'));
    before.markRead(kept.id);
    before.delete(deleted.id);
    before.mailbox.setWatch({
      topicName: 'projects/p/topics/t',
      labelIds: [],
      labelFilterBehavior: 'include',
      expiresAtMs: 5,
    });
    journal.close();

    const after = new EmulatedGmail({ journal: fileJournal(path) });
    expect(observableState(after)).toEqual(observableState(before));
    expect(after.mailbox.hasSeen(deleted.id)).toBe(true);
    expect(BigInt(after.deliver(mail('later')).historyId)).toBeGreaterThan(BigInt(before.historyId));
  });

  it('keeps expired history expired after a restart', async () => {
    const path = await journalPath();
    const before = new EmulatedGmail({ journal: fileJournal(path) });
    const old = BigInt(before.historyId);
    before.deliver(mail('order'));
    before.expireHistory();
    expect(new EmulatedGmail({ journal: fileJournal(path) }).mailbox.history.knows(old)).toBe(false);
  });

  it('removes the partial line of a killed process and appends after the last complete line', async () => {
    const path = await journalPath();
    const before = new EmulatedGmail({ journal: fileJournal(path) });
    before.deliver(mail('whole'));
    appendFileSync(path, '{"kind":"delivered","id":"torn');
    const after = new EmulatedGmail({ journal: fileJournal(path) });
    expect(after.mailbox.messages.size).toBe(1);
    after.deliver(mail('after it'));
    expect(readFileSync(path, 'utf8')).not.toContain('torn');
    expect(new EmulatedGmail({ journal: fileJournal(path) }).mailbox.messages.size).toBe(2);
  });

  it('restores a message that is larger than a read chunk', async () => {
    const path = await journalPath();
    const raw = Buffer.alloc(3_000_000, 'large ');
    const { id } = new EmulatedGmail({ journal: fileJournal(path) }).deliver(raw);
    const after = new EmulatedGmail({ journal: fileJournal(path) });
    expect(after.mailbox.messages.get(id)?.raw.equals(raw)).toBe(true);
  });
});
