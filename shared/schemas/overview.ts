/** The responses of the console's `overview`, which the page shows at the top, and of its `charts`. */
import * as z from 'zod/mini';
import { count, time } from './fields.ts';
import { statusSchema } from './status.ts';

export const overviewSchema = z.object({
  /** The database's time, like every other time here. */
  now: time,
  status: statusSchema,
  /** Of the monitored mailboxes; null while none is known. */
  freshness: z.object({
    newest_stored_at: z.nullable(time),
  }),
  quota: z.object({
    /** Units per minute that may be spent, by all monitored mailboxes. */
    minute_limit: count,
    /** Spent units that are not refilled yet. Null while the mailbox is not known. */
    minute_used: z.nullable(count),
    /** Since midnight UTC. Null when there were more than 100,000 runs, which are not read. */
    today_used: z.nullable(count),
  }),
  /** Dead messages of all mailboxes that are not given up. */
  dead_count: count,
  incidents_open_count: count,
});

export const chartsSchema = z.object({
  from: time,
  /** The end of the current hour. */
  to: time,
  hours: z.array(
    z.object({
      at: time,
      email_count: count,
      /** From Gmail's acceptance to the commit; null when no live email was stored. */
      latency_median_ms: z.nullable(z.int()),
      latency_max_ms: z.nullable(z.int()),
    }),
  ),
});

export type Overview = z.output<typeof overviewSchema>;
export type OverviewJson = z.input<typeof overviewSchema>;
export type Charts = z.output<typeof chartsSchema>;
export type ChartsJson = z.input<typeof chartsSchema>;
export type ChartHourJson = ChartsJson['hours'][number];
