/**
 * Ingest in a process of its own, from the sources, so that a profile shows them: one run, or as many as it takes, by
 * the environment of a function. Says on one line what it cost. Started by `ingest-run.ts`.
 */
import { resourceUsage } from 'node:process';
import { createAppContext } from '../../shared/control/app-context.ts';
import { Deadline } from '../../shared/deadline.ts';
import { createIngestContext } from '../../shared/ingest/ingest-context.ts';
import { ingestMailbox } from '../../shared/ingest/ingest-mailbox.ts';
import { AimdLimit } from '../../shared/limits/aimd-limit.ts';
import type { IngestOrder, IngestTaken } from './ingest-run.ts';

const BUDGET_MS = 1_600_000;

const order: IngestOrder = JSON.parse(process.argv[2] ?? '{}');
const { inFlight } = order;
const context = createAppContext(process.env, () => undefined);
const app = createIngestContext({
  ...context,
  overrides: inFlight === null ? {} : { inFlight: new AimdLimit({ start: inFlight, max: inFlight }) },
});

/** Without anything to fetch: modules, connections and the token are there before the time begins. */
async function warmUp(): Promise<void> {
  await ingestMailbox(app, { trigger: 'schedule', deadline: Deadline.after(BUDGET_MS) });
}

process.stdout.write('ready\n');
for await (const line of process.stdin.setEncoding('utf8')) {
  if (line.trim() === 'warm-up') {
    await warmUp();
    process.stdout.write('warm\n');
    continue;
  }
  if (line.trim() !== 'run') break;
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  const report = await ingestMailbox(app, {
    trigger: order.trigger,
    deadline: Deadline.after(order.budgetMs ?? BUDGET_MS),
  });
  const wallMs = performance.now() - startedMs;
  const { user, system: kernel } = process.cpuUsage(cpu);
  const taken: IngestTaken = {
    outcome: report.outcome,
    counts: report.counts,
    error: report.error?.code ?? null,
    wallMs,
    cpuMs: (user + kernel) / 1_000,
    peakMemoryBytes: resourceUsage().maxRSS * 1_024,
  };
  process.stdout.write(`${JSON.stringify(taken)}\n`);
}
await context.db.close();
