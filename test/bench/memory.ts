/** `npm run bench -- memory`: the highest resident memory of the built function over large and over many emails. */
import { buildFunctions, type FunctionProcess, startFunction } from '../helpers/child-processes.ts';
import { mailWithAttachment } from './bench-mail.ts';
import { type BenchSystem, inSystem, NO_QUOTA } from './bench-system.ts';
import type { Section } from './measured.ts';

const LARGE = 10;
const LARGE_BYTES = 35_000_000;
const BESIDE_THEM = 40;
const SMALL = 50_000;
const SMALL_BYTES = 2_000;
/** After so many of the small ones the memory is to stand. */
const SETTLED = 10_000;
const LIMIT_MIB = 512;
/** Of the later peak beyond the settled one: the collector's own swing. */
const FLAT = 1.15;

export async function memory(): Promise<Section> {
  const dist = buildFunctions();
  const large = await inSystem({ quotaUnitsPerMinute: null }, async (system) => {
    await system.deliver(BESIDE_THEM, (n) => mailWithAttachment(n, 200_000));
    for (let n = 0; n < LARGE; n += 1) {
      const raw = mailWithAttachment(1_000 + n, LARGE_BYTES).toString('base64');
      await system.gmail.control('deliver', { raw });
    }
    const poll = await startPoll(system, dist);
    await workOff(system, poll, BESIDE_THEM + LARGE);
    return await peakOf(poll);
  });
  const small = await inSystem({ quotaUnitsPerMinute: null }, async (system) => {
    await system.deliver(SMALL, (n) => mailWithAttachment(n, SMALL_BYTES));
    const poll = await startPoll(system, dist);
    await workOff(system, poll, SETTLED);
    const settled = poll.peakMemoryBytes();
    await workOff(system, poll, SMALL);
    return { settled, end: await peakOf(poll) };
  });
  return {
    name: 'memory',
    title: 'Memory',
    how:
      `Peak resident memory of the function's process. ${LARGE} raw messages of 35 MB among ${BESIDE_THEM} of 200 KB in one backlog; ` +
      `${SMALL} small ones in another, by runs of up to 50 s.`,
    findings: [
      {
        what: `${LARGE} of 35 MB`,
        goal: `below ${LIMIT_MIB} MiB`,
        reached: mib(large),
        isMet: large < LIMIT_MIB * 2 ** 20,
      },
      {
        what: `${SMALL} small ones`,
        goal: `below ${LIMIT_MIB} MiB`,
        reached: mib(small.end),
        isMet: small.end < LIMIT_MIB * 2 ** 20,
      },
      {
        what: `peak after all, to the peak after the first ${SETTLED}`,
        goal: `flat: at most ${FLAT}`,
        reached: (small.end / small.settled).toFixed(2),
        isMet: small.end / small.settled <= FLAT,
      },
    ],
  };
}

async function startPoll({ env }: BenchSystem, dist: string): Promise<FunctionProcess> {
  return await startFunction('pollNow', { ...env, ...NO_QUOTA }, dist);
}

async function workOff({ db }: BenchSystem, poll: FunctionProcess, count: number): Promise<void> {
  for (;;) {
    const { status } = await poll.post();
    if (status !== 200) throw new Error(`Answered ${status}:\n${poll.logLines.at(-1)}`);
    const [row] = await db.rows('select count(*)::int as stored from incoming_emails');
    process.stdout.write(`${row.stored} stored, peak ${mib(poll.peakMemoryBytes())}\n`);
    if (row.stored >= count) return;
  }
}

async function peakOf(poll: FunctionProcess): Promise<number> {
  const bytes = poll.peakMemoryBytes();
  await poll.kill();
  return bytes;
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
