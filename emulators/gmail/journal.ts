// Persists the mailbox across restarts: an append-only file with one JSON object per line. Without it, a restarted
// mailbox would assign new ids to old messages and invalidate the cursors that clients have stored.
// Invariant: every line is complete. A partial last line, left by a killed process, is removed when the file is
// opened.

import {
  closeSync,
  existsSync,
  fchmodSync,
  mkdirSync,
  openSync,
  readSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { MailboxEvent } from './mailbox-event.ts';

export interface Journal {
  /** All events, oldest first. */
  read(): Iterable<MailboxEvent>;
  append(event: MailboxEvent): void;
  close(): void;
}

/** The file is read in chunks, because a journal of many large messages exceeds the maximum string length. */
const readChunkBytes = 1 << 20;

const newline = 0x0a;

/** A journal in the file at `path`. Creates the file and its folder if they are missing. */
export function fileJournal(path: string): Journal {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  truncatePartialLine(path);
  const file = openSync(path, 'a', 0o600);
  // An earlier version created it with the permissions of the umask, and it holds emails.
  fchmodSync(file, 0o600);
  return {
    *read() {
      for (const { text } of lines(path)) yield decode(text);
    },
    append(event) {
      writeSync(file, `${encode(event)}\n`);
    },
    close() {
      closeSync(file);
    },
  };
}

function truncatePartialLine(path: string): void {
  if (!existsSync(path)) return;
  let completeBytes = 0;
  for (const { endBytes } of lines(path)) completeBytes = endBytes;
  truncateSync(path, completeBytes);
}

/** The complete lines of the file, each with its end offset. A partial last line is omitted. */
function* lines(path: string): Generator<{ text: string; endBytes: number }> {
  const file = openSync(path, 'r');
  try {
    const chunk = Buffer.alloc(readChunkBytes);
    let pending: Buffer[] = [];
    let offset = 0;
    for (let count = readSync(file, chunk); count > 0; count = readSync(file, chunk)) {
      let start = 0;
      for (let end = chunk.indexOf(newline); end >= 0 && end < count; end = chunk.indexOf(newline, start)) {
        const text = Buffer.concat([...pending, chunk.subarray(start, end)]).toString('utf8');
        pending = [];
        start = end + 1;
        yield { text, endBytes: offset + start };
      }
      pending.push(Buffer.from(chunk.subarray(start, count)));
      offset += count;
    }
  } finally {
    closeSync(file);
  }
}

/** JSON has no big integers and no bytes; both are wrapped in an object that names the type. */
function encode(event: MailboxEvent): string {
  // Buffer's own toJSON would write every byte as a number.
  const plain =
    event.kind === 'delivered' ? { ...event, raw: { $base64: event.raw.toString('base64') } } : event;
  return JSON.stringify(plain, (_key, value: unknown) =>
    typeof value === 'bigint' ? { $uint64: value.toString() } : value,
  );
}

function decode(line: string): MailboxEvent {
  return JSON.parse(line, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    if ('$uint64' in value) return BigInt(String(value.$uint64));
    if ('$base64' in value) return Buffer.from(String(value.$base64), 'base64');
    return value;
  }) as MailboxEvent;
}
