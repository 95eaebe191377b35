/**
 * `npm run bench -- scale`: prints the tables of docs/scale.md with their names. Nothing is measured. A test compares the
 * document with this output.
 */
import { ASSUMED, MEASURED } from './cost-inputs.ts';
import { tableOf } from './results.ts';
import { BENCH, emailsPerMinute, fleetOf, GMAIL, limits, needOf, unitsPerDay } from './scale-model.ts';

const SIZES = [1, 100, 10_000];

export async function scale(): Promise<void> {
  for (const [name, table] of Object.entries(scaleTables())) {
    process.stdout.write(`<!-- scale: ${name} -->\n${table}\n<!-- end -->\n\n`);
  }
}

/** Markdown tables by their names in the document. */
export function scaleTables(): Record<string, string> {
  return { email: email(), units: units(), mailboxes: mailboxes(), fleet: fleet(), limits: limitTable() };
}

function email(): string {
  return tableOf(
    ['', 'one email', 'one idle poll'],
    [
      ['units, by push', count(GMAIL.listUnits + GMAIL.getUnits), count(GMAIL.listUnits)],
      ['units, in a backlog', `${count(GMAIL.getUnits)} plus a share of the listing`, '–'],
      ['CPU in a backlog, ms', String(BENCH.emailCpuMs), String(BENCH.idlePollCpuMs)],
      ['statements in a backlog', String(BENCH.emailTrips), count(BENCH.idlePollStatements)],
      ['write-ahead log, bytes', count(MEASURED.email.walBytes), count(MEASURED.poll.walBytes)],
      ['stored permanently, bytes', count(MEASURED.storedBytes), 'only its run, for 90 days'],
    ],
  );
}

function units(): string {
  return tableOf(
    ['emails per day', 'units per day', 'share of the threshold', 'mailboxes up to the threshold'],
    [0, 100, ASSUMED.emailsPerDay, 10_000].map((emails) => {
      const needed = unitsPerDay(emails);
      return [
        count(emails),
        count(needed),
        percent(needed / GMAIL.projectUnitsPerDay),
        count(Math.floor(GMAIL.projectUnitsPerDay / needed)),
      ];
    }),
  );
}

function mailboxes(): string {
  const needs = SIZES.map((size) => needOf(size));
  const row = (name: string, of: (need: (typeof needs)[number]) => string): string[] => [
    name,
    ...needs.map(of),
  ];
  return tableOf(
    ['mailboxes', ...SIZES.map(count)],
    [
      row('units per day', (need) => count(need.unitsPerDay)),
      row('share of the threshold of 80,000,000', (need) =>
        percent(need.unitsPerDay / GMAIL.projectUnitsPerDay),
      ),
      row('units in the busiest minute', (need) => count(need.peakUnitsPerMinute)),
      row('share of 1,200,000 per project', (need) =>
        percent(need.peakUnitsPerMinute / GMAIL.projectUnitsPerMinute),
      ),
      row('busy instances, mean', (need) => small(need.busyInstances)),
      row('busy instances, busiest minute', (need) => small(need.peakInstances)),
      row('connections, one deployment per mailbox', (need) => count(need.connections)),
      row('commits per second, busiest minute', (need) => small(need.peakCommitsPerSecond)),
      row('write-ahead log per day, GB', (need) => small(need.walGbPerDay)),
      row('stored per year, GB', (need) => count(need.gbPerYear)),
    ],
  );
}

/** Idle mailboxes of one deployment: their number and the poll interval in seconds. */
const FLEETS = [
  [1_000, 60],
  [10_000, 60],
  [10_000, 600],
  [100_000, 60],
  [100_000, 600],
  [100_000, 3_600],
] as const;

function fleet(): string {
  const needs = FLEETS.map(([size, interval]) => fleetOf(size, interval));
  const row = (name: string, of: (need: (typeof needs)[number]) => string): string[] => [
    name,
    ...needs.map(of),
  ];
  return tableOf(
    [
      'idle mailboxes, poll interval',
      ...FLEETS.map(([size, interval]) => `${count(size)}, ${count(interval)} s`),
    ],
    [
      row('runs per minute', (need) => count(need.runsPerMinute)),
      row('statements per second', (need) => count(need.statementsPerSecond)),
      row('units per minute', (need) => count(need.unitsPerMinute)),
      row('share of 1,200,000 per project', (need) =>
        percent(need.unitsPerMinute / GMAIL.projectUnitsPerMinute),
      ),
      row('units per day', (need) => count(need.unitsPerDay)),
      row('share of the threshold of 80,000,000', (need) =>
        percent(need.unitsPerDay / GMAIL.projectUnitsPerDay),
      ),
      row('busy cores of the functions', (need) => small(need.cores)),
      row('busy cores of PostgreSQL', (need) => small(need.postgresCores)),
      row('one `poll`, seconds', (need) => small(need.pollSeconds)),
    ],
  );
}

function limitTable(): string {
  const rows = limits().map(({ mailboxes: at, change, what }) => [
    what,
    at < 10 ? at.toFixed(1) : count(at),
    change,
  ]);
  return `The quota of one mailbox allows ${count(emailsPerMinute())} emails per minute.\n\n${tableOf(['limit', 'reached at mailboxes', 'what to change'], rows)}`;
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`;
}

function small(value: number): string {
  return value >= 100 ? count(value) : String(Number(value.toPrecision(2)));
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
