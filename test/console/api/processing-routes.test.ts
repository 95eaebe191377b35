/** The routes for the emails of consumers, on the queue of a real database. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { storeEmails, workerOf } from '../../helpers/email-queue.ts';
import { type Answered, createTestSystem, type TestSystem } from '../../helpers/test-system.ts';

const BASE = '/api/console';

let system: TestSystem;
let ids: number[];
beforeAll(async () => {
  system = await createTestSystem();
});
afterAll(async () => await system.close());
beforeEach(async () => {
  await system.rows('delete from consumers');
  await system.rows('delete from incoming_emails');
  ids = await storeEmails(system.db, 3);
});

async function get(path: string, query: Record<string, string> = {}): Promise<Answered> {
  return await system.call('console', { path: `${BASE}/${path}`, method: 'GET', query });
}

async function post(path: string): Promise<Answered> {
  return await system.call('console', { path: `${BASE}/${path}` });
}

/** Claims everything for the consumer and makes these emails dead. */
async function dead(consumer: string, emailIds: readonly number[]): Promise<void> {
  await workerOf(system.db, consumer, 'worker-1').claim(100);
  await system.rows(
    `update email_queue
     set state = 'dead', failure_count = 5, error = 'no total', worker = null, due_at = now()
     where consumer = $1
       and email_id = any ($2)`,
    [consumer, emailIds],
  );
}

async function states(consumer: string): Promise<unknown[]> {
  return await system.rows(
    'select email_id, state, failure_count, error from email_queue where consumer = $1 order by email_id',
    [consumer],
  );
}

const WAITING = { state: 'waiting', failure_count: 0, error: null };

describe('dead emails', () => {
  it('lists dead emails with sender, subject and error, the newest first, page by page', async () => {
    await dead('archive', ids.slice(0, 2));
    await dead('extraction', ids.slice(1));
    await system.rows("update email_queue set worker = 'worker-1' where consumer = 'extraction'");
    const first = await get('dead-emails', { limit: '2' });
    expect(first.json.emails).toMatchObject([
      { consumer: 'extraction', id: ids[2], worker: 'worker-1' },
      {
        consumer: 'archive',
        id: ids[1],
        subject: expect.any(String),
        sender: expect.any(String),
        received_at: expect.any(String),
        failure_count: 5,
        failed_at: expect.any(String),
        error: 'no total',
        worker: null,
      },
      { consumer: 'extraction', id: ids[1] },
    ]);
    const second = await get('dead-emails', { limit: '2', before: String(first.json.next_before) });
    expect(second.json).toMatchObject({ emails: [{ consumer: 'archive', id: ids[0] }], next_before: null });
  });

  it('records whose emails were listed, without their content', async () => {
    await dead('extraction', ids);
    system.log.length = 0;
    await get('dead-emails');
    expect(system.log.filter(({ event }) => event === 'emails_listed')).toMatchObject([
      { email_count: 3, email_ids: ids.toReversed().join(), is_search: false },
    ]);
  });

  it('answers no dead email of a consumer that was removed', async () => {
    await dead('extraction', ids);
    await system.rows('delete from consumers');
    expect((await get('dead-emails')).json).toEqual({ emails: [], next_before: null });
  });
});

describe('process again', () => {
  it('queues one dead email again with no failures', async () => {
    await dead('extraction', ids);
    expect((await post(`consumers/extraction/emails/${ids[1]}/requeue`)).json).toEqual({ requeued: 1 });
    expect(await states('extraction')).toMatchObject([{ state: 'dead' }, WAITING, { state: 'dead' }]);
    expect(await workerOf(system.db, 'extraction').claim(5)).toEqual([ids[1]]);
  });

  it('queues all dead emails of one consumer again, and none of another', async () => {
    await dead('archive', ids);
    await dead('extraction', ids.slice(0, 2));
    expect((await post('consumers/extraction/requeue-dead')).json).toEqual({ requeued: 2 });
    expect(await states('extraction')).toMatchObject([WAITING, WAITING, { state: 'claimed' }]);
    expect(await states('archive')).toMatchObject([{ state: 'dead' }, { state: 'dead' }, { state: 'dead' }]);
    expect((await post('consumers/extraction/requeue-dead')).json).toEqual({ requeued: 0 });
  });

  it('queues more dead emails again than one transaction takes', async () => {
    await workerOf(system.db, 'extraction').claim();
    await system.rows(
      `insert into incoming_emails (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version)
       select mailbox_id, 'copy-' || n, received_at, 1, 0, 1
       from (select * from incoming_emails limit 1) e, generate_series(1, 600) n`,
    );
    await system.rows("update email_queue set state = 'dead' where state = 'waiting'");
    expect((await post('consumers/extraction/requeue-dead')).json).toEqual({ requeued: 602 });
  });

  it.each([
    ['erased', 'delete from incoming_emails where id = $1::integer'],
    [
      'queued again and claimed',
      `with requeued as materialized (select requeue_email('extraction', $1::integer))
       select claimed.id from requeued, lateral claim_emails('extraction', 'worker-1') claimed`,
    ],
  ])('queues the other dead emails again when one is %s at the same time', async (_name, change) => {
    await dead('extraction', ids);
    let answer: Promise<Answered> | undefined;
    await system.db.transaction(async (tx) => {
      await tx.query(change, [ids[1]]);
      answer = post('consumers/extraction/requeue-dead');
      const waiting = `
        select count(*)::integer as n
        from pg_stat_activity
        where datname = current_database()
          and wait_event_type = 'Lock'
          and query like '%requeue_email%'`;
      await expect.poll(async () => await system.rows(waiting), { timeout: 8_000 }).toEqual([{ n: 1 }]);
    });
    expect(await answer).toMatchObject({ status: 200, json: { requeued: 2 } });
    expect(
      await system.rows(
        "select email_id from email_queue where consumer = 'extraction' and state = 'waiting' order by 1",
      ),
    ).toEqual([{ email_id: ids[0] }, { email_id: ids[2] }]);
  });

  it('answers 409 with the worker while a worker has the email', async () => {
    await workerOf(system.db, 'extraction', 'worker-7').claim();
    const { json, status } = await post(`consumers/extraction/emails/${ids[0]}/requeue`);
    expect([status, json]).toMatchObject([
      409,
      {
        code: 'email_claimed',
        detail: `The worker worker-7 has claimed the email ${ids[0]}.`,
        remediation: expect.stringContaining('claim expires'),
      },
    ]);
  });

  it('answers 404 for an erased email, and 400 for a consumer that does not exist or an invalid path', async () => {
    await workerOf(system.db, 'extraction').claim();
    await system.rows('delete from incoming_emails');
    const codeOf = async (path: string) => {
      const { json, status } = await post(path);
      return [status, json.code, json.detail];
    };
    expect(await codeOf(`consumers/extraction/emails/${ids[0]}/requeue`)).toEqual([
      404,
      'not_found',
      `No email has the id ${ids[0]}. It was erased, or it was never stored.`,
    ]);
    expect(await codeOf('consumers/unknown/emails/1/requeue')).toEqual([
      400,
      'bad_request',
      'No consumer has the name unknown.',
    ]);
    for (const path of ['consumers/extraction/emails/2147483648/requeue', 'consumers/No/requeue-dead'])
      expect(await codeOf(path)).toEqual([400, 'bad_request', expect.any(String)]);
  });

  it('rejects a request of a foreign page', async () => {
    await dead('extraction', ids);
    const headers = { 'sec-fetch-site': 'cross-site' };
    const path = `${BASE}/consumers/extraction/requeue-dead`;
    expect((await system.call('console', { path, headers })).status).toBe(403);
    expect(await states('extraction')).toMatchObject([
      { state: 'dead' },
      { state: 'dead' },
      { state: 'dead' },
    ]);
  });
});

describe('the detail of an email', () => {
  const processing = async () => (await get(`emails/${ids[0]}`)).json.processing;

  it('has no entry without a consumer, and one per consumer in each state', async () => {
    expect(await processing()).toEqual([]);
    await workerOf(system.db, 'archive', 'worker-a').claim();
    await workerOf(system.db, 'archive', 'worker-a').complete(ids[0] ?? 0);
    await workerOf(system.db, 'extraction', 'worker-e').claim();
    await dead('statistics', ids.slice(0, 1));
    await system.rows("insert into consumers (name, add_to_id) values ('newcomer', 1000)");
    const none = { queued_at: null, due_at: null, worker: null, failure_count: 0, error: null };
    const at = expect.any(String);
    expect(await processing()).toEqual([
      { ...none, consumer: 'archive', state: 'completed', worker: 'worker-a', completed_at: at },
      {
        ...none,
        consumer: 'extraction',
        state: 'claimed',
        queued_at: at,
        due_at: at,
        worker: 'worker-e',
        completed_at: null,
      },
      { ...none, consumer: 'newcomer', state: 'not_queued', completed_at: null },
      {
        consumer: 'statistics',
        state: 'dead',
        queued_at: at,
        due_at: at,
        worker: null,
        failure_count: 5,
        error: 'no total',
        completed_at: null,
      },
    ]);
  });

  it('is completed without a time when `processed` was set without the queue', async () => {
    await workerOf(system.db, 'extraction').claim(3);
    await system.rows('update incoming_emails set processed = true');
    expect(await processing()).toMatchObject([
      { consumer: 'extraction', state: 'completed', completed_at: null },
    ]);
  });

  it('keeps the time of the earlier completion when the email is queued again', async () => {
    await workerOf(system.db, 'extraction').claim();
    await workerOf(system.db, 'extraction').complete(ids[0] ?? 0);
    await post(`consumers/extraction/emails/${ids[0]}/requeue`);
    expect(await processing()).toMatchObject([{ state: 'waiting', completed_at: expect.any(String) }]);
  });
});
