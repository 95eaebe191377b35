// The emulator's memory across restarts: an append-only file with one JSON object a line. Without it a
// restarted mailbox would give new ids to old mail and stored cursors would point nowhere.
// A line is whole or it is not there: the torn end that a killed process leaves is cut off on opening.

import { closeSync, existsSync, mkdirSync, openSync, readSync, truncateSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { MailboxEvent } from './mailbox-event.ts';

export interface Journal {
  /** Everything appended so far, oldest first. */
  read(): Iterable<MailboxEvent>;
  append(event: MailboxEvent): void;
  close(): void;
}

/** Read in pieces: a journal of many large mails does not fit into one JavaScript string. */
const readChunkBytes = 1 << 20;

const newline = 0x0a;

/** A journal in the file at `path`, which is created with its folder when it is missing. */
export function fileJournal(path: string): Journal {
  mkdirSync(dirname(path), { recursive: true });
  cutTornEnd(path);
  const file = openSync(path, 'a');
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

function cutTornEnd(path: string): void {
  if (!existsSync(path)) return;
  let goodBytes = 0;
  for (const { endBytes } of lines(path)) goodBytes = endBytes;
  truncateSync(path, goodBytes);
}

/** The complete lines of the file, each with the offset at which it ends. What follows the last is torn. */
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

/** Big integers and bytes have no JSON form: they are wrapped with the name of their type. */
function encode(event: MailboxEvent): string {
  // Buffer's own toJSON would spell out every byte as a number.
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
