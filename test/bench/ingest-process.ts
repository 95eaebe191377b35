/**
 * Runs ingest in a separate process, from the sources, so that a profile shows their names. Uses the environment of a
 * function. Reads `warm-up` and `run` from stdin and prints one line per command. Started by `ingest-run.ts`.
 */
import { resourceUsage } from 'node:process';
import { createAppContext } from '../../shared/control/app-context.ts';
import { Deadline } from '../../shared/deadline.ts';
import { createIngestContext } from '../../shared/ingest/ingest-context.ts';
import { ingestMailbox } from '../../shared/ingest/ingest-mailbox.ts';
import { AimdLimit } from '../../shared/limits/aimd-limit.ts';
import type { IngestSettings, RunMeasurement } from './ingest-run.ts';

const BUDGET_MS = 1_600_000;

const settings: IngestSettings = JSON.parse(process.argv[2] ?? '{}');
const { inFlight } = settings;
const context = createAppContext(process.env, () => undefined);
const app = createIngestContext({
  ...context,
  overrides: inFlight === null ? {} : { inFlight: new AimdLimit({ start: inFlight, max: inFlight }) },
});

/** A run without messages to fetch loads modules, opens connections and gets the token before the measurement. */
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
    trigger: settings.trigger,
    deadline: Deadline.after(settings.budgetMs ?? BUDGET_MS),
  });
  const wallMs = performance.now() - startedMs;
  const { user, system: kernel } = process.cpuUsage(cpu);
  const measurement: RunMeasurement = {
    outcome: report.outcome,
    counts: report.counts,
    error: report.error?.code ?? null,
    wallMs,
    cpuMs: (user + kernel) / 1_000,
    peakMemoryBytes: resourceUsage().maxRSS * 1_024,
  };
  process.stdout.write(`${JSON.stringify(measurement)}\n`);
}
await context.db.close();
