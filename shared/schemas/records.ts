/** The console's responses about runs and incidents: pages, newest first. */
import * as z from 'zod/mini';
import { ACTIONS } from './actions.ts';
import { count, id, time } from './fields.ts';

/** The value of `before` for the next page; null at the end. */
const next_before = z.nullable(id);

export const runSchema = z.object({
  id,
  trigger: z.enum(['schedule', 'push', 'manual']),
  /** Null while the run works, or when its process was killed. */
  outcome: z.nullable(z.string()),
  started_at: time,
  duration_ms: z.nullable(count),
  discovered_count: count,
  stored_count: count,
  gone_count: count,
  ignored_count: count,
  failed_count: count,
  dead_count: count,
  rate_limited_count: count,
  quota_units: count,
  arrival_to_stored_max_ms: z.nullable(z.int()),
  error_code: z.nullable(z.string()),
});

export const incidentSchema = z.object({
  id,
  kind: z.string(),
  opened_at: time,
  /** Null while the incident is open. */
  closed_at: z.nullable(time),
  /** Counts and ids, no mail content. */
  detail: z.record(z.string(), z.unknown()),
  /** What the incident means; null for a kind that this version does not know. */
  explanation: z.nullable(z.string()),
  remediation: z.nullable(z.string()),
  /** What the remediation asks for; null when it needs no command. */
  action: z.nullable(z.enum(ACTIONS)),
  /** The remediation without the command of `action`. */
  remediation_text: z.nullable(z.string()),
});

export const runPageSchema = z.object({ runs: z.array(runSchema), next_before });
export const incidentPageSchema = z.object({ incidents: z.array(incidentSchema), next_before });

export type Run = z.output<typeof runSchema>;
export type RunJson = z.input<typeof runSchema>;
export type RunPage = z.output<typeof runPageSchema>;
export type RunPageJson = z.input<typeof runPageSchema>;
export type Incident = z.output<typeof incidentSchema>;
export type IncidentJson = z.input<typeof incidentSchema>;
export type IncidentPage = z.output<typeof incidentPageSchema>;
export type IncidentPageJson = z.input<typeof incidentPageSchema>;
