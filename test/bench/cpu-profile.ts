/** Reads a profile of `--cpu-prof`: the functions in which the main thread spent its busy time. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly samples: readonly number[];
  /** In microseconds. */
  readonly timeDeltas: readonly number[];
}

/** Frames in which the thread does no work. */
const IDLE = ['(idle)', '(program)', '(root)'];

/** @returns share of self time and location of the `limit` largest functions */
export function readShares(folder: string, limit: number): string[][] {
  const [file] = readdirSync(folder);
  if (file === undefined) throw new Error('There is no profile.');
  const profile: Profile = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const locationOf = new Map(profile.nodes.map(({ callFrame, id }) => [id, location(callFrame)]));
  const timeOf = new Map<string, number>();
  let total = 0;
  for (const [n, id] of profile.samples.entries()) {
    const where = locationOf.get(id);
    if (where === undefined) continue;
    const delta = profile.timeDeltas[n] ?? 0;
    timeOf.set(where, (timeOf.get(where) ?? 0) + delta);
    total += delta;
  }
  return [...timeOf]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, limit)
    .map(([where, time]) => [`${((time / total) * 100).toFixed(1)} %`, where]);
}

function location({ functionName, url }: { functionName: string; url: string }): string | undefined {
  if (IDLE.includes(functionName)) return undefined;
  const file = url
    .replace(/^.*\/node_modules\//, '')
    .replace(/^.*\/(shared|functions|test)\//, '$1/')
    .replace(/^file:.*\//, '');
  return `\`${functionName || 'anonymous'}\`${file === '' ? '' : ` in ${file}`}`;
}
