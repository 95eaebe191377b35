/** Compares docs/cost.md with the output of `npm run bench -- cost`, and the inputs of the cost model with Terraform. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { costTables } from '../bench/cost.ts';
import { ASSUMED, DEPLOYED } from '../bench/cost-inputs.ts';
import { chargeOf, diskGb, type Item, itemsOf } from '../bench/cost-model.ts';
import { CONNECTIONS } from '../bench/scale-model.ts';
import { variablesText } from '../terraform/variables.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const document = read('docs/cost.md');

function defaultOf(variable: string): string | undefined {
  const block = new RegExp(`^variable "${variable}" \\{[\\s\\S]*?^\\}`, 'm').exec(variablesText)?.[0] ?? '';
  return /^\s*default\s*=\s*"?([^"\n]*)"?/m.exec(block)?.[1];
}

/** Number of top-level entries of a local map in metrics.tf. */
function entriesOf(map: string): number {
  const block =
    new RegExp(`^  ${map} = \\{\\n([\\s\\S]*?)^  \\}`, 'm').exec(read('terraform/metrics.tf'))?.[1] ?? '';
  return block.match(/^ {4}[a-z-]+\s*= \{/gm)?.length ?? 0;
}

test('docs/cost.md contains exactly the tables that the cost benchmark prints', () => {
  const tables = [...document.matchAll(/<!-- cost: ([a-z-]+) -->\n([\s\S]*?)\n<!-- end -->/g)].map(
    ([, name, table]) => [name, table],
  );

  expect(Object.fromEntries(tables)).toEqual(costTables());
  expect(tables).toHaveLength(Object.keys(costTables()).length);
});

test('the cost model uses the defaults of Terraform', () => {
  expect({
    region: defaultOf('region'),
    tier: defaultOf('database_tier'),
    availability: defaultOf('database_availability'),
    pollIntervalSeconds: Number(defaultOf('poll_interval_seconds')),
    diskLimitGb: Number(defaultOf('database_disk_limit_gb')),
    diskAlertPercent: Number(defaultOf('alert_disk_percent')),
    backups: Number(defaultOf('database_retained_backups')),
  }).toEqual({
    region: DEPLOYED.region,
    tier: DEPLOYED.tier,
    availability: 'ZONAL',
    pollIntervalSeconds: DEPLOYED.pollIntervalSeconds,
    diskLimitGb: DEPLOYED.diskLimitGb,
    diskAlertPercent: DEPLOYED.diskAlertPercent,
    backups: DEPLOYED.backups,
  });
});

test('the cost model counts the metrics, metrics in alerts and images that Terraform creates', () => {
  expect({
    logCounters: entriesOf('log_counters'),
    logValues: entriesOf('log_values'),
    alertMetrics: read('terraform/alerts.tf').match(/\{\$\{local\.of_/g)?.length,
    alertCheckSeconds: Number(
      /alert_evaluation_seconds = (\d+)/.exec(read('terraform/notifications.tf'))?.[1],
    ),
    keptImages: Number(/keep_count = (\d+)/.exec(read('terraform/build.tf'))?.[1]),
  }).toEqual({
    logCounters: DEPLOYED.logCounters,
    logValues: DEPLOYED.logValues,
    alertMetrics: DEPLOYED.alertMetrics,
    alertCheckSeconds: ASSUMED.alertCheckSeconds,
    keptImages: DEPLOYED.keptImages,
  });
});

test('the cost model uses the connections per tier of Terraform', () => {
  const tiers =
    /max_connections_of_tier = \{\n([\s\S]*?)\n {2}\}/.exec(read('terraform/locals.tf'))?.[1] ?? '';
  const {
    deployment: _deployment,
    share: _share,
    whileDeploying: _whileDeploying,
    ...modelled
  } = CONNECTIONS;

  expect(
    Object.fromEntries([...tiers.matchAll(/(\S+)\s*= (\d+)/g)].map(([, tier, max]) => [tier, Number(max)])),
  ).toMatchObject(modelled);
});

test('the cost model charges secret accesses at the interval at which the functions read them', () => {
  const readAgainMs = /REREAD_MS = ([\d_]+)/.exec(read('shared/control/live-config.ts'))?.[1] ?? '';

  expect(Number(readAgainMs.replaceAll('_', ''))).toBe(ASSUMED.readsAgainSeconds * 1_000);
});

test('chargeOf subtracts the free tier from the amount due, not from the list price, and never below zero', () => {
  const accesses = (quantity: number): Item => ({ part: '', what: '', price: 'secretAccess', quantity });

  expect(chargeOf(accesses(20_000))).toEqual({ list: expect.closeTo(0.06), due: expect.closeTo(0.03) });
  expect(chargeOf(accesses(5_000))).toEqual({ list: expect.closeTo(0.015), due: 0 });
});

test('diskGb grows the disk before it is full, up to its limit', () => {
  expect([1, 5, 5.1, 10, 95].map(diskGb)).toEqual([10, 10, 15, 15, DEPLOYED.diskLimitGb]);
});

test('itemsOf adds requests and messages for emails, and none for an idle month', () => {
  const quantity = (emailsPerDay: number, what: string): number =>
    itemsOf({ emailsPerDay, month: 1 }).find((one) => one.what === what)?.quantity ?? Number.NaN;

  expect(quantity(0, 'requests')).toBe(43_800);
  expect(quantity(1_000, 'requests')).toBeCloseTo(43_800 + 30_416.67, 1);
  expect(quantity(0, 'published and pushed, GiB')).toBe(0);
});
