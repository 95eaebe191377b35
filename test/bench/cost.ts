/**
 * `npm run bench -- cost`: prints the tables of docs/cost.md with their names. Nothing is measured. A test compares the
 * document with this output. `npm run bench -- cost-inputs` measures the inputs.
 */
import { ASSUMED, DAYS, DEPLOYED, HOURS, MEASURED } from './cost-inputs.ts';
import { type Case, chargeOf, databaseGb, diskGb, isFutureCharge, itemsOf } from './cost-model.ts';
import { PRICES, type Price, type PriceName } from './cost-prices.ts';
import { CONNECTIONS } from './scale-model.ts';

const IDLE: Case = { emailsPerDay: 0, month: 1 };
const BUSY: Case = { emailsPerDay: ASSUMED.emailsPerDay, month: 1 };

export async function cost(): Promise<void> {
  for (const [name, table] of Object.entries(costTables())) {
    process.stdout.write(`<!-- cost: ${name} -->\n${table}\n<!-- end -->\n\n`);
  }
}

/** Markdown tables by their names in the document. */
export function costTables(): Record<string, string> {
  return {
    total: total(),
    idle: itemised(IDLE),
    busy: itemised(BUSY),
    database: databases(),
    growth: growth(),
    'disk-alert': diskAlert(),
    measured: measured(),
    prices: prices(),
  };
}

function total(): string {
  const cases: readonly (readonly [string, Case])[] = [
    ['idle', IDLE],
    [`${count(BUSY.emailsPerDay)} emails per day, first month`, BUSY],
    ['the same, twelfth month', { ...BUSY, month: 12 }],
  ];
  return table(
    ['USD per month', 'of which Cloud SQL', 'to pay', 'without free tiers', 'alerts, from September 2027'],
    cases.map(([name, which]) => {
      const items = itemsOf(which);
      const now = items.filter((one) => !isFutureCharge(one));
      const sum = (of: typeof items, kind: 'list' | 'due'): string =>
        of.reduce((all, one) => all + chargeOf(one)[kind], 0).toFixed(2);
      const sql = now.filter(({ part }) => part === 'Cloud SQL');
      return [
        name,
        sum(sql, 'due'),
        sum(now, 'due'),
        sum(now, 'list'),
        sum(items.filter(isFutureCharge), 'list'),
      ];
    }),
  );
}

function itemised(which: Case): string {
  return table(
    ['part', 'what', 'quantity', 'free', 'list USD', 'to pay USD'],
    itemsOf(which).map((one) => {
      const { due, list } = chargeOf(one);
      const { free } = PRICES[one.price];
      const note = isFutureCharge(one) ? `0.00 (then ${due.toFixed(2)})` : due.toFixed(2);
      return [one.part, one.what, count(one.quantity), free === 0 ? '–' : count(free), list.toFixed(2), note];
    }),
  );
}

/** What each deployment pays for Cloud SQL when as many as fit share one instance and one is updated at a time. */
function databases(): string {
  const choices = [
    ['db-f1-micro', null],
    ['db-g1-small', PRICES.sqlInstance.usd],
    ['db-custom-1-3840', PRICES.sqlDedicatedInstance.usd],
  ] as const;
  const sum = (price: PriceName): number =>
    itemsOf(IDLE).reduce((all, one) => all + (one.price === price ? chargeOf(one).due : 0), 0);
  const disk = sum('sqlStorage') + sum('sqlBackup');
  const rows = choices.map(([tier, usdPerHour]) => {
    const allowed = Math.floor(CONNECTIONS.share * CONNECTIONS[tier]);
    const fit = Math.max(0, Math.floor(allowed / CONNECTIONS.deployment) - (CONNECTIONS.whileDeploying - 1));
    const usd = usdPerHour === null || fit === 0 ? null : usdPerHour * HOURS + disk;
    return [
      tier,
      count(CONNECTIONS[tier]),
      count(allowed),
      count(fit),
      usd?.toFixed(2) ?? '–',
      usd === null ? '–' : (usd / fit).toFixed(2),
    ];
  });
  return table(
    [
      'tier',
      'connections',
      'for functions',
      'deployments that fit',
      'USD per instance',
      'USD per deployment',
    ],
    rows,
  );
}

function growth(): string {
  return table(
    ['after months', 'database GB', 'disk GB', 'disk USD per month', 'in use', 'disk alert'],
    [1, 3, 6, 12, 18, 24, 30].map((month) => {
      const stored = databaseGb(BUSY.emailsPerDay, month);
      const disk = diskGb(stored);
      const percent = Math.round((stored / disk) * 100);
      const alerts = stored > alertsAboveGb() ? 'yes' : 'no';
      return [
        count(month),
        stored.toFixed(1),
        count(disk),
        (disk * PRICES.sqlStorage.usd).toFixed(2),
        `${percent} %`,
        alerts,
      ];
    }),
  );
}

/** The alert compares with the maximum size of the disk, because a disk is nearly full each time before it grows. */
function alertsAboveGb(): number {
  return (DEPLOYED.diskLimitGb * DEPLOYED.diskAlertPercent) / 100;
}

/** The days on which the disk alert opens and the disk is full. */
function diskAlert(): string {
  const perDayGb = (BUSY.emailsPerDay * MEASURED.storedBytes) / 1e9;
  const day = (gb: number): string => count(Math.ceil((gb - ASSUMED.emptyDatabaseGb) / perDayGb));
  return (
    `An email takes ${count(MEASURED.storedBytes)} bytes, which adds up to ${perDayGb.toFixed(3)} GB per day, ` +
    `${(perDayGb * DAYS).toFixed(2)} GB per month and ${(perDayGb * DAYS * 12).toFixed(1)} GB per year. The disk alert ` +
    `(${DEPLOYED.diskAlertPercent} % of the limit of ${DEPLOYED.diskLimitGb} GB) opens on day ${day(alertsAboveGb())}; ` +
    `the disk is full on day ${day(DEPLOYED.diskLimitGb)}.`
  );
}

function measured(): string {
  const { email, poll } = MEASURED;
  const row = (name: string, of: typeof poll | typeof email): string[] => [
    name,
    `${of.medianMs}`,
    `${of.billedMs}`,
    `${of.cpuMs}`,
    `${of.logBytes}`,
    count(of.walBytes),
  ];
  return table(
    ['', 'median ms', 'billed ms', 'CPU ms', 'log bytes', 'write-ahead log bytes'],
    [row('idle poll', poll), row('email by push', email)],
  );
}

function prices(): string {
  return table(
    ['USD', 'per', 'page', 'copy', 'basis'],
    Object.values<Price>(PRICES).map(({ basis, copy, page, per, usd }) => [
      Number(usd.toPrecision(3)).toString(),
      per,
      page,
      copy,
      basis === 'read' ? basis : `**${basis}: check**`,
    ]),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function count(value: number): string {
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 1 ? 1 : 3;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: 0 });
}
