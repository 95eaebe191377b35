/** Reads the plans of executed statements from PostgreSQL's log, where auto_explain writes them. */
import type { BenchDatabase } from './bench-database.ts';
import { tableOf } from './results.ts';

/** Turns on auto_explain for all existing sessions. */
export async function explainAll(db: BenchDatabase): Promise<void> {
  for (const setting of ['log_analyze = on', 'log_buffers = on', 'log_timing = off', 'log_min_duration = 0'])
    await db.rows(`alter system set auto_explain.${setting}`);
  await db.rows('select pg_reload_conf(), pg_sleep(0.3)');
}

/** @returns a table with the scans and indexes, pages and time of each statement */
export function readPlans(log: string): string {
  const entries = log.split(/duration: /).slice(1);
  const rows = new Map<string, string[]>();
  for (const entry of entries) {
    const [, ms] = /^([\d.]+) ms {2}plan:/.exec(entry) ?? [];
    if (ms === undefined) continue;
    const [head = '', plan = ''] = splitAtPlan(entry);
    const sql = head.replaceAll(/\s+/g, ' ').trim().slice(0, 70);
    const reads = [
      ...plan.matchAll(/((?:Seq|Index|Index Only|Bitmap Heap|Tid) Scan)(?: using (\w+))? on (\w+)/g),
    ]
      .map(([, kind, index, table]) => (index === undefined ? `${kind} on ${table}` : `${index}`))
      .filter((read, n, all) => all.indexOf(read) === n);
    const pages = [...(/Buffers: shared hit=(\d+)(?: read=(\d+))?/.exec(plan) ?? [])]
      .slice(1)
      .reduce((sum, one) => sum + Number(one ?? 0), 0);
    if (reads.length > 0 && !rows.has(sql))
      rows.set(sql, [`\`${sql}\``, reads.join(', '), String(pages), ms]);
  }
  return tableOf(['statement', 'scans', 'pages', 'ms'], [...rows.values()]);
}

/** Splits a log entry into statement and plan. The plan starts at the first line that contains costs. */
function splitAtPlan(entry: string): [string, string] {
  const text = entry.slice(entry.indexOf('Query Text:') + 'Query Text:'.length);
  const at = text.search(/\n[^\n]*\(cost=/);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at)];
}
