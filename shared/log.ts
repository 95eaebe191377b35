/**
 * The log: one JSON object per line for Cloud Logging, or readable text for a terminal.
 * Invariant: fields are flat, carry their unit, and hold neither mail content nor secrets. Log-based metrics and alerts
 * select on the event names below.
 *
 * Format: https://cloud.google.com/logging/docs/structured-logging
 */
import type { Severity } from './errors.ts';

export type LogEvent =
  | 'run_finished'
  | 'run_skipped'
  | 'mailbox_identified'
  | 'label_resolved'
  | 'label_unresolved'
  | 'message_failed'
  | 'message_dead'
  | 'message_defects'
  | 'lease_lost'
  | 'hint_recorded'
  | 'push_ignored'
  | 'control_changed'
  | 'credentials_read'
  | 'migrate_called'
  | 'migrated'
  | 'quota_narrowed'
  | 'watch_renewed'
  | 'watch_ended'
  | 'watch_failed'
  | 'request_failed'
  | 'download_broken'
  | 'database_error'
  | 'email_accessed'
  | 'emails_listed'
  | 'messages_listed'
  | 'incident_opened'
  | 'incident_closed'
  | 'reconciled'
  | 'emails_published'
  | 'publish_failed'
  | 'emails_erased'
  | 'retention_failed'
  | 'mailboxes_dispatched'
  | 'work_ignored'
  | 'objects_collected'
  | 'collection_failed'
  | 'local';

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

export interface Log {
  debug(event: LogEvent, message: string, fields?: LogFields): void;
  info(event: LogEvent, message: string, fields?: LogFields): void;
  write(severity: Severity | 'DEBUG', event: LogEvent, message: string, fields?: LogFields): void;
  /** @returns a log that adds these fields to every line */
  with(fields: LogFields): Log;
}

/** `json` for machines, `text` for a terminal. */
export const LOG_FORMATS = ['json', 'text'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export const LOG_LEVELS = ['debug', 'info', 'warning', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
const RANK = { DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3 } as const;
const LEVEL_RANK: Record<LogLevel, number> = { debug: 0, info: 1, warning: 2, error: 3 };

export interface LogOptions {
  readonly level: LogLevel;
  /** Receives one line, without its newline. */
  readonly sink: (line: string) => void;
  readonly format: LogFormat;
}

export function createLog(options: LogOptions, base: LogFields = {}): Log {
  const write: Log['write'] = (severity, event, message, fields = {}) => {
    if (RANK[severity] < LEVEL_RANK[options.level]) return;
    const all = { ...base, ...fields };
    options.sink(
      options.format === 'json' ? asJson(severity, event, message, all) : asText(severity, message, all),
    );
  };
  return {
    debug: (event, message, fields) => write('DEBUG', event, message, fields),
    info: (event, message, fields) => write('INFO', event, message, fields),
    write,
    with: (fields) => createLog(options, { ...base, ...fields }),
  };
}

/**
 * The field with which Cloud Logging links a line to its request; none without a valid trace or project.
 *
 * @param header `X-Cloud-Trace-Context`, in the form `TRACE_ID/SPAN_ID;o=1`
 */
export function traceFields(header: string | undefined, projectId: string | undefined): LogFields {
  const traceId = header?.split('/', 1)[0];
  if (!traceId || !/^[0-9a-f]{32}$/i.test(traceId) || !projectId) return {};
  return { 'logging.googleapis.com/trace': `projects/${projectId}/traces/${traceId}` };
}

function asJson(severity: string, event: LogEvent, message: string, fields: LogFields): string {
  return JSON.stringify({ severity, message, event, ...fields });
}

const HIDDEN_IN_TEXT = new Set(['run_id', 'mailbox_id', 'logging.googleapis.com/trace']);

function asText(severity: string, message: string, fields: LogFields): string {
  const time = new Date().toTimeString().slice(0, 8);
  const shown = Object.entries(fields)
    .filter(([name, value]) => !HIDDEN_IN_TEXT.has(name) && value !== null && value !== 0)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
  const mark = severity === 'INFO' || severity === 'DEBUG' ? '' : `${severity} `;
  return `${time}  ${mark}${message}${shown === '' ? '' : `  (${shown})`}`;
}
