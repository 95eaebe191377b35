/**
 * What Terraform counts, extracts and alerts on is what the code writes, and what the README explains. An alert whose filter
 * names something that the code does not write never fires.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ERRORS } from '../../shared/error-catalogue.ts';
import { requiresOperator } from '../../shared/errors.ts';
import { mail } from '../helpers/mails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';
import { counters, counts, extracted, fieldOf } from './log-metrics.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const alertsFile = read('terraform/alerts.tf');
const events = [
  ...(read('shared/log.ts')
    .match(/type LogEvent =([^;]+);/)?.[1]
    ?.matchAll(/'([a-z_]+)'/g) ?? []),
].map(([, event]) => event);

type Line = Record<string, unknown>;

/** The lines of runs, by how things stood. */
const lines = { healthy: {} as Line, ill: {} as Line, failed: {} as Line, gap: {} as Line };

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
    await makeIll(system);
    lines.ill = await lineOf(system, async () => await system.call('poll'));
    await system.rows("update email_ledger set state = 'gone' where state in ('pending', 'dead')");
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

/** The last reconciliation has found so many messages that the history never showed. */
async function evaluate(system: TestSystem, missingCount: number): Promise<void> {
  await system.rows(
    `update reconciliations
     set listed_at = now(), evaluated_at = now(), gmail_count = 0, stored_count = 0, pending_count = 0,
         failed_count = 0, ignored_count = 0, gone_count = 0, missing_count = $1::integer`,
    [missingCount],
  );
}

/** Dead, failing and missing messages, and a watch that Gmail refuses. */
async function makeIll(system: TestSystem): Promise<void> {
  const tomorrow = "now() + interval '1 day'";
  await system.rows(
    `insert into email_ledger
       (mailbox_id, gmail_message_id, source, priority, state, discovered_at, last_attempt_at, next_attempt_at)
     values (1, 'dead', 'history', 0, 'dead', now(), now(), ${tomorrow}),
            (1, 'failing', 'history', 0, 'pending', now() - interval '16 minutes', now(), ${tomorrow})`,
  );
  system.gmail.faults.add({ kind: 'status', status: 500, method: 'messages.get', messageId: 'failing' });
  await evaluate(system, 2);
  await system.rows("update mailbox_watches set expires_at = now() + interval '23 hours'");
  system.gmail.faults.add({ kind: 'status', status: 403, reason: 'forbidden', method: 'watch' });
}

function counted(line: Line): string[] {
  return [...counters].filter(([, counter]) => counts(counter, line)).map(([name]) => name);
}

describe('the metrics of the log', () => {
  test('are found in the Terraform files', () => {
    expect(counters.size).toBeGreaterThanOrEqual(6);
    expect(extracted.size).toBeGreaterThanOrEqual(9);
  });

  test('hang on events that the code writes', () => {
    expect(events.length).toBeGreaterThan(10);
    for (const { event } of counters.values()) expect(events).toContain(event);
  });

  test.each([...extracted])('%s takes a number that a healthy run writes', (_name, field) => {
    const line = field === 'live_waiting_s' ? lines.ill : lines.healthy;
    expect(line[field]).toEqual(expect.any(Number));
  });

  test('compare and label fields that the lines have', () => {
    for (const { event, where, labels } of counters.values()) {
      const keys = Object.keys(event === 'incident_opened' ? lines.gap : { ...lines.ill, ...lines.failed });
      const fields = [...where.map(fieldOf).filter((field) => field !== ''), ...labels];
      expect(keys).toEqual(expect.arrayContaining(fields));
    }
  });

  test('count a healthy run as a run, and as nothing else', () => {
    expect(lines.healthy).toMatchObject({ outcome: 'completed', trigger: 'schedule' });
    expect(counted(lines.healthy)).toEqual(['runs']);
  });

  test('take what is null for nothing', () => {
    expect(lines.healthy).toMatchObject({ live_waiting_s: null });
    expect(lines.failed).toMatchObject({ arrival_to_stored_max_ms: null });
    expect(counted(lines.failed)).toEqual(['runs']);
  });

  test('count dead, failing, waiting and missing messages and an ending watch', () => {
    expect(counted(lines.ill).toSorted()).toEqual([
      'runs',
      'runs-with-dead',
      'runs-with-failing',
      'runs-with-live-waiting',
      'runs-with-missing',
      'runs-with-watch-ending',
    ]);
  });

  test('count an expired history once', () => {
    expect(lines.gap).toMatchObject({ incident_kind: 'history_expired' });
    expect(counted(lines.gap)).toEqual(['incidents']);
    expect(counted({ ...lines.gap, severity: 'DEBUG' })).toEqual([]);
  });
});

describe('the alerts', () => {
  const titles = [...alertsFile.matchAll(/^ {6}title\s+= "([^"]+)"/gm)].map(([, title = '']) => title);
  const keys = [...alertsFile.matchAll(/^ {4}([a-z-]+) = \{\n {6}title/gm)].map(([, key = '']) => key);
  const sections = section(read('README.md'), '### Alerts')
    .split(/^#### /m)
    .slice(1);

  test('notify a person for each error that needs one', () => {
    const codes = alertsFile.match(/person_codes = \[([^\]]+)\]/)?.[1]?.match(/[a-z_]+/g) ?? [];
    expect(codes.toSorted()).toEqual(Object.keys(ERRORS).filter(requiresOperator).toSorted());
  });

  test('know how a scheduled run gets on', () => {
    const got = alertsFile.match(/trigger=\\"([a-z]+)\\" AND metric\.labels\.outcome=one_of\(([^)]+)\)/);
    expect(got?.[1]).toBe(lines.healthy['trigger']);
    expect(got?.[2]?.match(/[a-z_]+/g)).toEqual(['completed', 'out_of_time']);
    expect(read('shared/ingest/ingest-context.ts')).toMatch(/'completed'[\s\S]*'out_of_time'/);
  });

  test('have each a runbook, and each runbook has its alert', () => {
    const runbooks = readdirSync(join(ROOT, 'terraform/runbooks'));
    expect(runbooks.toSorted()).toEqual(keys.map((key) => `${key}.md.tftpl`).toSorted());
  });

  test('have each a section of the README, in their order and under their titles', () => {
    expect(titles).toHaveLength(keys.length);
    expect(titles.length).toBeGreaterThanOrEqual(12);
    expect(sections.map((text) => text.split('\n', 1)[0])).toEqual(titles);
  });

  test.each(['Meaning', 'Check', 'How to fix'])('say in each section: %s', (part) => {
    for (const text of sections) expect(text).toContain(`*${part}:*`);
  });

  test('name in their runbooks only events, faults and functions that exist', () => {
    for (const key of keys) {
      const runbook = read(`terraform/runbooks/${key}.md.tftpl`);
      for (const [, event] of runbook.matchAll(/jsonPayload\.event="([a-z_]+)"/g))
        expect(events).toContain(event);
      for (const [, code = ''] of runbook.matchAll(/^- .*?`([a-z]+_[a-z_]+)`/gm)) {
        const fields = Object.keys({ ...lines.healthy, is_running: true });
        expect([...Object.keys(ERRORS), ...fields]).toContain(code);
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
