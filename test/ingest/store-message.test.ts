import { describe, expect, test } from 'vitest';
import { incompleteEmails, storedBytes } from '../helpers/stored.ts';
import { mail, order } from '../helpers/test-emails.ts';
import { deliverOrders, useIngestSystems } from './scenario.ts';

const { startedSystem } = useIngestSystems();

describe('storeMessage', () => {
  test('stores the exact bytes of every message, however malformed', async () => {
    const system = await startedSystem();
    const raws = [
      order('plain'),
      Buffer.from('no header at all, no line end'),
      Buffer.from('Subject: \0nul\0\r\n\r\nbody \0 with nul'),
      Buffer.from([0x53, 0x75, 0x62, 0x3a, 0x20, 0xff, 0xfe, 0x80, 0x0d, 0x0a, 0x0d, 0x0a, 0xc3, 0x28]),
      Buffer.from(`${Array.from({ length: 10_000 }, (_, n) => `X-H${n}: v`).join('\r\n')}\r\n\r\nbody`),
      Buffer.from(nested(1_000)),
      Buffer.from('Subject: header only\r\n\r\n'),
      Buffer.from('Date: not a date\r\nSubject: no date\n\nmixed\rline\nends\r\n'),
      Buffer.from('Subject: =?utf-8?Q?=ED=A0=80?= lone surrogate\r\n\r\n'),
    ];
    const delivered = new Map(raws.map((raw) => [system.gmail.deliver(raw).id, raw]));
    expect(await system.ingest()).toMatchObject({ counts: { stored: raws.length, failed: 0 } });
    expect(await storedBytes(system)).toEqual(delivered);
    expect(await incompleteEmails(system)).toEqual([]);
    const bare = await system.rows('select 1 from incoming_emails where cardinality(defects) = 0');
    expect(bare).toHaveLength(1);
  });

  test('stores two messages with the same Message-ID as two emails', async () => {
    const system = await startedSystem();
    system.gmail.deliver(mail('One'));
    system.gmail.deliver(mail('Two'));
    await system.ingest();
    expect(await system.rows('select rfc822_message_id from incoming_emails')).toEqual(
      Array(2).fill({ rfc822_message_id: '<reused@example.com>' }),
    );
  });

  test('stores the raw bytes when the database rejects the parsed values', async () => {
    const system = await startedSystem();
    await system.db.query("alter table email_attachments add constraint broken check (filename = '')");
    const raw = order('rejected');
    const { id } = system.gmail.deliver(raw);
    expect(await system.ingest()).toMatchObject({ counts: { stored: 1 } });
    expect((await storedBytes(system)).get(id)).toEqual(raw);
    expect(await system.rows('select defects, attachment_count, subject from incoming_emails')).toEqual([
      { defects: ['not_storable_as_read'], attachment_count: 0, subject: null },
    ]);
  });

  test('dates an email to which Gmail gives no valid date by the time of its discovery', async () => {
    const system = await startedSystem();
    const { id } = system.gmail.deliver(order('undated'), { internalDate: new Date(Number.NaN) });
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: id, times: 1 });
    await system.ingest();
    await system.rows("update email_ledger set discovered_at = discovered_at - interval '1 hour'");
    expect(await system.ingest()).toMatchObject({ counts: { stored: 1 } });
    expect(
      await system.rows(
        `select abs(extract(epoch from e.received_at - l.discovered_at)) < 0.001 as is_discovery
         from incoming_emails e
         join email_ledger l using (mailbox_id, gmail_message_id)`,
      ),
    ).toEqual([{ is_discovery: true }]);
  });

  test('counts each stored email once', async () => {
    const system = await startedSystem();
    deliverOrders(system, 7);
    await system.ingest();
    await system.ingest();
    expect(await system.rows('select emails_processed_total as n from email_monitor_status')).toEqual([
      { n: 7 },
    ]);
  });
});

function nested(depth: number): string {
  let text = 'Content-Type: text/plain\r\n\r\ninnermost\r\n';
  for (let n = depth; n > 0; n -= 1) {
    text = `Content-Type: multipart/mixed; boundary=b${n}\r\n\r\n--b${n}\r\n${text}\r\n--b${n}--\r\n`;
  }
  return `Subject: nested\r\n${text}`;
}
