/** `npm run bench -- memory`: the peak resident memory of the built function, with large emails and with many emails. */
import { buildFunctions, type FunctionProcess, startFunction } from '../helpers/child-processes.ts';
import { mailWithAttachment } from './bench-mail.ts';
import { type BenchSystem, inSystem, NO_QUOTA } from './bench-system.ts';
import type { Section } from './results.ts';

const LARGE = 10;
const LARGE_BYTES = 35_000_000;
const MEDIUM = 40;
const SMALL = 50_000;
const SMALL_BYTES = 2_000;
/** The peak after this many small emails is the reference for the peak after all. */
const REFERENCE = 10_000;
const LIMIT_MIB = 512;
/** Maximum ratio of the later peak to the reference. It allows for variation of the garbage collector. */
const MAX_RATIO = 1.15;

export async function memory(): Promise<Section> {
  const dist = buildFunctions();
  const large = await inSystem({ quotaUnitsPerMinute: null }, async (system) => {
    await system.deliver(MEDIUM, (n) => mailWithAttachment(n, 200_000));
    for (let n = 0; n < LARGE; n += 1) {
      const raw = mailWithAttachment(1_000 + n, LARGE_BYTES).toString('base64');
      await system.gmail.control('deliver', { raw });
    }
    const poll = await startPoll(system, dist);
    await pollUntilStored(system, poll, MEDIUM + LARGE);
    return await peakOf(poll);
  });
  const small = await inSystem({ quotaUnitsPerMinute: null }, async (system) => {
    await system.deliver(SMALL, (n) => mailWithAttachment(n, SMALL_BYTES));
    const poll = await startPoll(system, dist);
    await pollUntilStored(system, poll, REFERENCE);
    const reference = poll.peakMemoryBytes();
    await pollUntilStored(system, poll, SMALL);
    return { reference, end: await peakOf(poll) };
  });
  return {
    name: 'memory',
    title: 'Memory',
    how:
      `Peak resident memory of the function's process. One backlog has ${LARGE} emails of 35 MB and ${MEDIUM} of 200 KB; ` +
      `the other has ${SMALL} small emails, fetched in runs of up to 50 s.`,
    results: [
      {
        what: `${LARGE} emails of 35 MB`,
        goal: `below ${LIMIT_MIB} MiB`,
        reached: mib(large),
        isMet: large < LIMIT_MIB * 2 ** 20,
      },
      {
        what: `${SMALL} small emails`,
        goal: `below ${LIMIT_MIB} MiB`,
        reached: mib(small.end),
        isMet: small.end < LIMIT_MIB * 2 ** 20,
      },
      {
        what: `peak after all, relative to the peak after the first ${REFERENCE}`,
        goal: `at most ${MAX_RATIO}`,
        reached: (small.end / small.reference).toFixed(2),
        isMet: small.end / small.reference <= MAX_RATIO,
      },
    ],
  };
}

async function startPoll({ env }: BenchSystem, dist: string): Promise<FunctionProcess> {
  return await startFunction('pollNow', { ...env, ...NO_QUOTA }, dist);
}

async function pollUntilStored({ db }: BenchSystem, poll: FunctionProcess, count: number): Promise<void> {
  for (;;) {
    const { status } = await poll.post();
    if (status !== 200) throw new Error(`The function responded with ${status}:\n${poll.logLines.at(-1)}`);
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
