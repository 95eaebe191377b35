/**
 * Compares Terraform's metrics and alerts with the log lines that the code writes and with the README. An alert whose
 * filter names something that the code does not write never fires.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ERRORS } from '../../shared/error-catalogue.ts';
import { requiresOperator } from '../../shared/errors.ts';
import { consumerStatusSchema } from '../../shared/schemas/consumer-status.ts';
import { mail } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';
import { counters, counts, extracted, fieldOf } from './log-metrics.ts';
import { variablesText } from './variables.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const alertsFile = read('terraform/alerts.tf');
const variables = [...variablesText.matchAll(/^variable "([a-z_]+)"/gm)].map(([, name]) => name);
const events = [
  ...(read('shared/log.ts')
    .match(/type LogEvent =([^;]+);/)?.[1]
    ?.matchAll(/'([a-z_]+)'/g) ?? []),
].map(([, event]) => event);

type Line = Record<string, unknown>;

/** Log lines of runs in different states of the mailbox. */
const lines = { healthy: {} as Line, unhealthy: {} as Line, failed: {} as Line, gap: {} as Line };

beforeAll(async () => {
  const system = await createTestSystem({
    env: { GMAIL_PUBSUB_TOPIC: 'projects/orders-project/topics/gmail' },
  });
  try {
    await system.call('start');
    await system.call('poll');
    system.gmail.deliver(mail('Order'));
    await evaluate(system, 0);
    lines.healthy = await lineOf(system, async () => await system.call('poll'));
    await makeUnhealthy(system);
    lines.unhealthy = await lineOf(system, async () => await system.call('poll'));
    await system.rows("update email_ledger set state = 'gone' where state in ('pending', 'dead')");
    await system.rows('delete from email_queue');
    await evaluate(system, 0);
    await system.rows("update mailbox_watches set expires_at = now() + interval '7 days'");
    system.gmail.deliver(mail('Before the gap'));
    system.gmail.expireHistory();
    lines.gap = await lineOf(system, async () => await system.call('pollNow'), 'incident_opened');
    system.gmail.faults.add({ kind: 'status', status: 403, reason: 'forbidden' });
    lines.failed = await lineOf(system, async () => await system.call('pollNow'));
  } finally {
    await system.close();
  }
});

async function lineOf(
  system: TestSystem,
  act: () => Promise<unknown>,
  event = 'run_finished',
): Promise<Line> {
  system.log.length = 0;
  await act();
  return system.log.findLast((line) => line['event'] === event) ?? {};
}

/** Records that the last reconciliation found this many messages missing. */
async function evaluate(system: TestSystem, missingCount: number): Promise<void> {
  await system.rows(
    `update reconciliations
     set listed_at = now(), evaluated_at = now(), gmail_count = 0, stored_count = 0, pending_count = 0,
         failed_count = 0, ignored_count = 0, gone_count = 0, missing_count = $1::integer`,
    [missingCount],
  );
}

/** Adds dead, failing and missing messages, a watch that Gmail rejects to renew, and a consumer without workers. */
async function makeUnhealthy(system: TestSystem): Promise<void> {
  const tomorrow = "now() + interval '1 day'";
  await system.rows(
    `insert into email_ledger
       (mailbox_id, gmail_message_id, source, priority, state, discovered_at, last_attempt_at, next_attempt_at)
     values (1, 'dead', 'history', 0, 'dead', now(), now(), ${tomorrow}),
            (1, 'failing', 'history', 0, 'pending', now() - interval '16 minutes', now(), ${tomorrow})`,
  );
  system.gmail.faults.add({ kind: 'status', status: 500, method: 'messages.get', messageId: 'failing' });
  await system.rows("select claim_emails('extraction', 'worker')");
  await system.rows("update email_queue set queued_at = now() - interval '61 minutes'");
  await system.rows("select claim_emails('archive', 'worker')");
  await system.rows("update email_queue set state = 'dead' where consumer = 'archive'");
  await evaluate(system, 2);
  await system.rows("update mailbox_watches set expires_at = now() + interval '23 hours'");
  system.gmail.faults.add({ kind: 'status', status: 403, reason: 'forbidden', method: 'watch' });
}

function counted(line: Line): string[] {
  return [...counters].filter(([, counter]) => counts(counter, line)).map(([name]) => name);
}

const UNHEALTHY_SUMS = ['dead-total', 'failing-total', 'missing-total', 'queue-dead-total'];

/** The value metrics whose sum an alert compares with zero. */
const summed = [...alertsFile.matchAll(/log_series\["([a-z-]+)"\]\}_sum\{[^\n]*\) > 0"$/gm)].map(
  ([, name = '']) => name,
);

function aboveZero(line: Line): string[] {
  return summed.filter((name) => Number(line[extracted.get(name) ?? '']) > 0);
}

describe('log-based metrics', () => {
  test('the parser finds counters and value metrics in the Terraform files', () => {
    expect([...counters.keys()]).toEqual([
      'runs',
      'runs-of-failing-mailbox',
      'runs-with-live-waiting',
      'runs-with-watch-ending',
      'runs-with-queue-waiting',
      'runs-with-full-notifications',
      'retention-failed',
      'collection-failed',
      'incidents',
    ]);
    expect([...extracted.keys()]).toEqual([
      'arrival-to-stored-ms',
      'dead-total',
      'failing-total',
      'missing-total',
      'pending-total',
      'queue-dead-total',
      'stored-count',
    ]);
    expect(summed.toSorted()).toEqual(UNHEALTHY_SUMS);
  });

  test('every counter counts an event that the code writes', () => {
    expect(events.length).toBeGreaterThan(10);
    for (const { event } of counters.values()) expect(events).toContain(event);
  });

  test.each([...extracted])('value metric %s extracts a number that a run writes', (_name, field) => {
    expect(lines.healthy[field]).toEqual(expect.any(Number));
  });

  test('counters filter and label by fields that the log lines have', () => {
    for (const { event, where, labels } of counters.values()) {
      const keys = Object.keys(
        event === 'incident_opened' ? lines.gap : { ...lines.unhealthy, ...lines.failed },
      );
      const fields = [...where.map(fieldOf).filter((field) => field !== ''), ...labels];
      expect(keys).toEqual(expect.arrayContaining(fields));
    }
  });

  test('only the counter of runs counts a healthy run, and no alert on a sum is met', () => {
    expect(lines.healthy).toMatchObject({ outcome: 'completed', trigger: 'schedule' });
    expect(counted(lines.healthy)).toEqual(['runs']);
    expect(aboveZero(lines.healthy)).toEqual([]);
  });

  test('no counter counts a field that is null', () => {
    expect(lines.healthy).toMatchObject({ live_waiting_s: null });
    expect(lines.failed).toMatchObject({ arrival_to_stored_max_ms: null });
    expect(counted(lines.failed)).toEqual(['runs']);
  });

  test('metrics of alerts count dead, failing, waiting and missing messages, an expiring watch, and the emails of consumers', () => {
    expect(counted(lines.unhealthy).toSorted()).toEqual([
      'runs',
      'runs-with-live-waiting',
      'runs-with-queue-waiting',
      'runs-with-watch-ending',
    ]);
    expect(counted({ ...lines.unhealthy, notification_queue_usage: 0.11 })).toContain(
      'runs-with-full-notifications',
    );
    expect(aboveZero(lines.unhealthy).toSorted()).toEqual(UNHEALTHY_SUMS);
  });

  test('the counter of a failing mailbox counts its tenth failed run, not the first', () => {
    expect(lines.failed).toMatchObject({ failure_count: 1 });
    expect(counted({ ...lines.failed, failure_count: 9 })).toEqual(['runs']);
    expect(counted({ ...lines.failed, failure_count: 10 })).toEqual(['runs', 'runs-of-failing-mailbox']);
  });

  test('the counter of incidents counts an expired history once', () => {
    expect(lines.gap).toMatchObject({ incident_kind: 'history_expired' });
    expect(counted(lines.gap)).toEqual(['incidents']);
    expect(counted({ ...lines.gap, severity: 'DEBUG' })).toEqual([]);
  });
});

describe('alerts', () => {
  const titles = [...alertsFile.matchAll(/^ {6}title\s+= "([^"]+)"/gm)].map(([, title = '']) => title);
  const keys = [...alertsFile.matchAll(/^ {4}([a-z-]+) = \{\n {6}title/gm)].map(([, key = '']) => key);
  const sections = section(read('README.md'), '### Alerts')
    .split(/^#### /m)
    .slice(1);

  test('the alert for operators lists exactly the error codes that require one', () => {
    const codes = alertsFile.match(/person_codes = \[([^\]]+)\]/)?.[1]?.match(/[a-z_]+/g) ?? [];
    expect(codes.toSorted()).toEqual(Object.keys(ERRORS).filter(requiresOperator).toSorted());
  });

  test('the alert for missing runs counts scheduled runs that completed or ran out of time', () => {
    const filter = alertsFile.match(/trigger=\\"([a-z]+)\\",outcome=~\\"([a-z_|]+)\\"/);
    expect(filter?.[1]).toBe(lines.healthy['trigger']);
    expect(filter?.[2]?.match(/[a-z_]+/g)).toEqual(['completed', 'out_of_time']);
    expect(read('shared/ingest/ingest-context.ts')).toMatch(/'completed'[\s\S]*'out_of_time'/);
  });

  test('every alert has a runbook, and every runbook has an alert', () => {
    const runbooks = readdirSync(join(ROOT, 'terraform/runbooks'));
    expect(runbooks.toSorted()).toEqual(keys.map((key) => `${key}.md.tftpl`).toSorted());
  });

  test('the README has a section per alert, in the same order and under the same title', () => {
    expect(titles).toHaveLength(keys.length);
    expect(titles.length).toBeGreaterThanOrEqual(15);
    expect(sections.map((text) => text.split('\n', 1)[0])).toEqual(titles);
  });

  test.each(['Meaning', 'Check', 'How to fix'])('every section of the README contains: %s', (part) => {
    for (const text of sections) expect(text).toContain(`*${part}:*`);
  });

  test('the log of poll that the runbook of missing runs reads has the lines of a start that fails, which have no severity', () => {
    const command = /^.*service_name="\$\{name\}-poll".*$/m.exec(
      read('terraform/runbooks/no-successful-cycle.md.tftpl'),
    )?.[0];
    expect(command).toMatch(/\(severity>=WARNING OR logName:stderr\).*textPayload/);
  });

  test('runbooks name only events, error codes, fields, variables and functions that exist', () => {
    for (const key of keys) {
      const runbook = read(`terraform/runbooks/${key}.md.tftpl`);
      for (const [, event] of runbook.matchAll(/jsonPayload\.event="([a-z_]+)"/g))
        expect(events).toContain(event);
      for (const [, code = ''] of runbook.matchAll(/^- .*?`([a-z]+_[a-z_]+)`/gm)) {
        const fields = Object.keys({ ...lines.healthy, ...consumerStatusSchema.shape, is_running: true });
        expect([...Object.keys(ERRORS), ...fields, ...variables]).toContain(code);
      }
      for (const [, name] of runbook.matchAll(/service_name="\$\{name\}-([a-z-]+)"/g))
        expect(existsSync(join(ROOT, `functions/${name}.ts`))).toBe(true);
    }
  });
});

function section(markdown: string, heading: string): string {
  const from = markdown.indexOf(`${heading}\n`);
  const rest = markdown.slice(from + heading.length);
  return from === -1 ? '' : rest.slice(0, rest.search(/^#{2,3} /m));
}
