/** `npm run bench -- scale`: prints the tables of docs/scale.md, each under its name. Asks nobody; a test holds the two equal. */
import { ASSUMED, MEASURED } from './cost-inputs.ts';
import { tableOf } from './measured.ts';
import { BENCH, emailsPerMinute, GMAIL, limits, needOf, unitsPerDay } from './scale-model.ts';

const SIZES = [1, 100, 10_000];

export async function scale(): Promise<void> {
  for (const [name, table] of Object.entries(scaleTables())) {
    process.stdout.write(`<!-- scale: ${name} -->\n${table}\n<!-- end -->\n\n`);
  }
}

/** Markdown by the name that the document gives each. */
export function scaleTables(): Record<string, string> {
  return { email: email(), units: units(), mailboxes: mailboxes(), limits: limitTable() };
}

function email(): string {
  return tableOf(
    ['', 'an email', 'an idle poll'],
    [
      ['units, by push', count(GMAIL.listUnits + GMAIL.getUnits), count(GMAIL.listUnits)],
      ['units, in a backlog', `${count(GMAIL.getUnits)} and a share of the listing`, '–'],
      ['CPU in a backlog, ms', String(BENCH.emailCpuMs), String(BENCH.idlePollCpuMs)],
      ['statements in a backlog', String(BENCH.emailTrips), count(BENCH.idlePollStatements)],
      ['write-ahead log, bytes', count(MEASURED.email.walBytes), count(MEASURED.poll.walBytes)],
      ['stored for good, bytes', count(MEASURED.storedBytes), 'its run, 90 days'],
    ],
  );
}

function units(): string {
  return tableOf(
    ['emails a day', 'units a day', 'share of the threshold', 'mailboxes up to the threshold'],
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
      row('units a day', (need) => count(need.unitsPerDay)),
      row('of the threshold of 80,000,000', (need) => percent(need.unitsPerDay / GMAIL.projectUnitsPerDay)),
      row('units in the busiest minute', (need) => count(need.peakUnitsPerMinute)),
      row('of 1,200,000 a project', (need) => percent(need.peakUnitsPerMinute / GMAIL.projectUnitsPerMinute)),
      row('instances busy, mean', (need) => small(need.busyInstances)),
      row('instances busy, busiest minute', (need) => small(need.peakInstances)),
      row('connections, a deployment each', (need) => count(need.connections)),
      row('commits a second, busiest minute', (need) => small(need.peakCommitsPerSecond)),
      row('write-ahead log a day, GB', (need) => small(need.walGbPerDay)),
      row('stored a year, GB', (need) => count(need.gbPerYear)),
    ],
  );
}

function limitTable(): string {
  const rows = limits().map(({ mailboxes: at, turn, what }) => [
    what,
    at < 10 ? at.toFixed(1) : count(at),
    turn,
  ]);
  return `One mailbox, whatever else: ${count(emailsPerMinute())} emails a minute.\n\n${tableOf(['limit', 'bites at mailboxes', 'what is turned then'], rows)}`;
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
