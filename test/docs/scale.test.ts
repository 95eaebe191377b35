/** docs/scale.md says what `npm run bench -- scale` prints, and that is reckoned from what the code and Terraform do. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { QUOTA_COSTS } from '../../shared/gmail/quota-costs.ts';
import { scaleTables } from '../bench/scale.ts';
import {
  CONNECTIONS,
  emailsPerMinute,
  GMAIL,
  limits,
  needOf,
  RHYTHM,
  unitsPerDay,
} from '../bench/scale-model.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

function constant(file: string, name: string): number {
  const [, value = ''] = new RegExp(`const ${name} = ([\\d_ *]+);`).exec(read(file)) ?? [];
  return value.split('*').reduce((product, factor) => product * Number(factor.replaceAll('_', '')), 1);
}

test('docs/scale.md holds the tables that the script prints, each once and no other', () => {
  const held = [
    ...read('docs/scale.md').matchAll(/<!-- scale: ([a-z-]+) -->\n([\s\S]*?)\n<!-- end -->/g),
  ].map(([, name, table]) => [name, table]);

  expect(Object.fromEntries(held)).toEqual(scaleTables());
  expect(held).toHaveLength(Object.keys(scaleTables()).length);
});

test('the units are those that the client pays', () => {
  expect(GMAIL).toMatchObject({
    listUnits: QUOTA_COSTS['users.history.list'],
    getUnits: QUOTA_COSTS['users.messages.get'],
    messageListUnits: QUOTA_COSTS['users.messages.list'],
    watchUnits: QUOTA_COSTS['users.watch'],
  });
});

test('a reconciliation and a watch come as often as the code plans them', () => {
  expect(RHYTHM).toEqual({
    reconcileSeconds: constant('shared/ingest/reconcile.ts', 'RECONCILE_EVERY_SECONDS'),
    watchDays: constant('shared/db/watches.ts', 'RENEW_EVERY_SECONDS') / 86_400,
  });
});

test('the connections are those of the functions and the machine that Terraform names', () => {
  const locals = read('terraform/locals.tf');
  const pools = [...locals.matchAll(/pool = (\d+), instances = (\d+)/g)];

  expect(pools.reduce((sum, [, pool, instances]) => sum + Number(pool) * Number(instances), 0)).toBe(
    CONNECTIONS.deployment,
  );
  expect(Number(/db-g1-small\s*= (\d+)/.exec(locals)?.[1])).toBe(CONNECTIONS['db-g1-small']);
  expect(Number(/floor\(([\d.]+) \* local.database_max_connections\)/.exec(locals)?.[1])).toBe(
    CONNECTIONS.share,
  );
});

test('mailboxes add up, and an email adds its listing and its fetching', () => {
  expect(needOf(100).unitsPerDay).toBe(100 * needOf(1).unitsPerDay);
  expect(unitsPerDay(1) - unitsPerDay(0)).toBe(22);
  expect(emailsPerMinute()).toBe(299);
});

test('the limits come in the order in which they bite', () => {
  const bites = limits().map((limit) => limit.mailboxes);

  expect(bites).toEqual(bites.toSorted((a, b) => a - b));
});
