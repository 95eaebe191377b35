/** The answers of the data API and of the verbs, as far as the page reads them. Times are ISO strings. */

export interface Fault {
  readonly code: string;
  readonly detail: string | null;
  readonly remediation: string | null;
}

export interface Mailbox {
  readonly email_address: string;
  readonly is_current: boolean;
  readonly state: string;
  readonly last_success_at: string | null;
  readonly next_poll_at: string | null;
  readonly failure_count: number;
  readonly last_error: Fault | null;
  readonly is_listing: boolean;
  readonly ledger: Readonly<Record<'pending' | 'stored' | 'gone' | 'ignored' | 'dead', number>>;
  readonly oldest_pending_at: string | null;
  readonly watch: {
    readonly topic: string | null;
    readonly expires_at: string | null;
    readonly error: Fault | null;
  } | null;
  readonly proof: {
    readonly proved_at: string;
    readonly since: string | null;
    readonly gmail_count: number;
    readonly ledger_count: number;
    readonly missing_count: number;
  } | null;
}

export interface Status {
  readonly is_running: boolean;
  readonly last_poll_at: string | null;
  readonly last_error: string | null;
  readonly emails_processed_total: number;
  readonly state: string;
  readonly mailboxes: readonly Mailbox[];
  readonly advice: readonly string[];
}

export interface Overview {
  readonly now: string;
  readonly status: Status;
  readonly freshness: { readonly newest_proven_at: string | null; readonly newest_stored_at: string | null };
  readonly quota: {
    readonly minute_limit: number;
    readonly minute_used: number;
    readonly today_used: number;
  };
  readonly dead_count: number;
  readonly pending_count: number;
  readonly incidents_open_count: number;
}

export interface ChartHour {
  readonly at: string;
  readonly email_count: number;
  readonly latency_median_ms: number | null;
  readonly latency_max_ms: number | null;
}

export interface Charts {
  readonly from: string;
  readonly to: string;
  readonly hours: readonly ChartHour[];
}

export interface Attachment {
  readonly id: number;
  readonly filename: string;
  readonly content_type: string;
  readonly file_size_bytes: number;
  readonly is_inline: boolean;
}

export interface Email {
  readonly id: number;
  readonly received_at: string;
  readonly stored_at: string;
  readonly sender: string | null;
  readonly sender_address: string | null;
  readonly subject: string | null;
  readonly size_bytes: number;
  readonly attachment_count: number;
  readonly defects: readonly string[];
  readonly processed: boolean;
  readonly attachments: readonly Attachment[];
}

export interface EmailPage {
  readonly emails: readonly Email[];
  /** Null at the end. Of a search also behind a page that is not full: so far it was looked through. */
  readonly next_before: number | null;
}

export interface WholeEmail extends Email {
  readonly recipients: unknown;
  readonly gmail_message_id: string;
  readonly rfc822_message_id: string | null;
  readonly sent_at: string | null;
  readonly body_text: string | null;
  readonly body_text_truncated: boolean;
  readonly has_html: boolean;
}

export interface DeadMessage {
  readonly ledger_id: number;
  readonly gmail_message_id: string;
  readonly attempt_count: number;
  readonly last_attempt_at: string | null;
  readonly error_code: string | null;
  readonly error_detail: string | null;
  readonly remediation: string | null;
  readonly discovered_at: string;
}

export interface Run {
  readonly id: number;
  readonly trigger: string;
  /** Null while it runs, and for ever when its process was killed. */
  readonly outcome: string | null;
  readonly started_at: string;
  readonly duration_ms: number | null;
  readonly discovered_count: number;
  readonly stored_count: number;
  readonly failed_count: number;
  readonly quota_units: number;
  readonly error_code: string | null;
}

export interface Incident {
  readonly id: number;
  readonly kind: string;
  readonly opened_at: string;
  readonly closed_at: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
  /** What it means, a sentence; null for a kind that the server does not know. */
  readonly explanation: string | null;
  readonly remediation: string | null;
}

/** The answer of poll-now. */
export interface Report {
  readonly outcome: string;
  readonly new_emails: number;
  readonly failed: number;
  readonly dead: number;
}
