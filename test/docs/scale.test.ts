/** Compares docs/scale.md with the output of `npm run bench -- scale`, and the inputs of the model with code and Terraform. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { QUOTA_COSTS } from '../../shared/gmail/quota-costs.ts';
import { scaleTables } from '../bench/scale.ts';
import {
  CONNECTIONS,
  emailsPerMinute,
  GMAIL,
  INTERVALS,
  limits,
  needOf,
  unitsPerDay,
} from '../bench/scale-model.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

function constant(file: string, name: string): number {
  const [, value = ''] = new RegExp(`const ${name} = ([\\d_ *]+);`).exec(read(file)) ?? [];
  return value.split('*').reduce((product, factor) => product * Number(factor.replaceAll('_', '')), 1);
}

test('docs/scale.md contains exactly the tables that the scale benchmark prints', () => {
  const tables = [
    ...read('docs/scale.md').matchAll(/<!-- scale: ([a-z-]+) -->\n([\s\S]*?)\n<!-- end -->/g),
  ].map(([, name, table]) => [name, table]);

  expect(Object.fromEntries(tables)).toEqual(scaleTables());
  expect(tables).toHaveLength(Object.keys(scaleTables()).length);
});

test('the scale model uses the quota costs of the Gmail client', () => {
  expect(GMAIL).toMatchObject({
    listUnits: QUOTA_COSTS['users.history.list'],
    getUnits: QUOTA_COSTS['users.messages.get'],
    messageListUnits: QUOTA_COSTS['users.messages.list'],
    watchUnits: QUOTA_COSTS['users.watch'],
  });
});

test('the scale model uses the intervals of reconciliation and watch renewal in the code', () => {
  expect(INTERVALS).toEqual({
    reconcileSeconds: constant('shared/ingest/reconcile.ts', 'RECONCILE_EVERY_SECONDS'),
    watchDays: constant('shared/db/watches.ts', 'RENEW_EVERY_SECONDS') / 86_400,
  });
});

test('the scale model uses the connections of the functions and the database in Terraform', () => {
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

test('the scale model is linear in mailboxes and adds the units of listing and fetching per email', () => {
  expect(needOf(100).unitsPerDay).toBe(100 * needOf(1).unitsPerDay);
  expect(unitsPerDay(1) - unitsPerDay(0)).toBe(22);
  expect(emailsPerMinute()).toBe(299);
});

test('limits returns the limits in the order in which they are reached', () => {
  const reached = limits().map((limit) => limit.mailboxes);

  expect(reached).toEqual(reached.toSorted((a, b) => a - b));
});
