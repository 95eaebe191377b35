/**
 * `npm run bench -- parse-shapes`: processor time and memory of the MIME reader over hostile and ordinary emails at three
 * sizes. Each has a process of its own that has read a few emails before.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { SHAPES } from './mime-shapes.ts';
import { type Section, tableOf } from './results.ts';

const MIB = 1024 * 1024;
const SIZES_MIB = [1, 4, 16];
const MOST_SECONDS_PER_MIB = 0.1;
const MOST_FACTOR = 4;
/** In addition to the factor: what the runtime and its collector take however small the email is. */
const ALLOWANCE_MIB = 64;

export interface Measured {
  readonly bytes: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
}

export async function parseShapes(): Promise<Section> {
  const rows = SHAPES.map(({ name }, index) => ({
    name,
    measured: SIZES_MIB.map((size) => measure(index, size)),
  }));
  const all = rows.flatMap(({ measured, name }) => measured.map((one) => ({ name, ...one })));
  const slowest = all.reduce((worst, one) => (secondsPerMib(one) > secondsPerMib(worst) ? one : worst));
  const largest = all.reduce((worst, one) => (factor(one) > factor(worst) ? one : worst));
  return {
    name: 'parse-shapes',
    title: 'Reading hostile emails',
    how:
      `${SHAPES.length} shapes at ${SIZES_MIB.join(', ')} MiB, a process each. CPU is that of the whole process during one reading; memory its ` +
      `highest resident memory beyond that before, the email itself included, less ${ALLOWANCE_MIB} MiB.`,
    results: [
      {
        what: 'CPU per MiB, worst',
        goal: `at most ${MOST_SECONDS_PER_MIB} s`,
        reached: `${secondsPerMib(slowest).toFixed(3)} s (${slowest.name}, ${mib(slowest.bytes)} MiB)`,
        isMet: secondsPerMib(slowest) <= MOST_SECONDS_PER_MIB,
      },
      {
        what: `memory beyond ${ALLOWANCE_MIB} MiB, worst`,
        goal: `at most ${MOST_FACTOR} x the email`,
        reached: `${factor(largest).toFixed(1)} x (${largest.name}, ${mib(largest.bytes)} MiB)`,
        isMet: factor(largest) <= MOST_FACTOR,
      },
    ],
    more: tableOf(
      [
        'shape',
        ...SIZES_MIB.map((size) => `${size} MiB: ms per MiB`),
        ...SIZES_MIB.map((size) => `${size} MiB: peak MiB`),
      ],
      rows.map(({ measured, name }) => [
        name,
        ...measured.map((one) => (secondsPerMib(one) * 1_000).toFixed(0)),
        ...measured.map((one) => mib(one.peakBytes)),
      ]),
    ),
  };
}

function measure(index: number, sizeMib: number): Measured {
  const output = execFileSync(
    process.execPath,
    [join(import.meta.dirname, 'parse-shape.ts'), `${index}`, `${sizeMib * MIB}`],
    {
      encoding: 'utf8',
    },
  );
  return JSON.parse(output) as Measured;
}

function secondsPerMib({ bytes, cpuMs }: Measured): number {
  return cpuMs / 1_000 / Math.max(1, bytes / MIB);
}

function factor({ bytes, peakBytes }: Measured): number {
  return Math.max(0, peakBytes - ALLOWANCE_MIB * MIB) / bytes;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}
