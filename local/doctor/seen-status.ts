/** What the doctor looks at in the answer of `status`: read here, or as a deployment has answered it. */
import { z } from 'zod';

const time = z.iso
  .datetime()
  .transform((text) => new Date(text))
  .or(z.date());
const fault = z
  .object({ code: z.string(), detail: z.string().nullable(), remediation: z.string().nullable() })
  .readonly();

const mailbox = z
  .object({
    email_address: z.string(),
    is_current: z.boolean(),
    state: z.string(),
    next_poll_at: time.nullable(),
    failure_count: z.number(),
    last_error: fault.nullable(),
    ledger: z.object({ pending: z.number(), stored: z.number(), dead: z.number() }).readonly(),
    oldest_pending_at: time.nullable(),
    last_push_at: time.nullable(),
    watch: z
      .object({ topic: z.string().nullable(), expires_at: time.nullable(), error: fault.nullable() })
      .readonly()
      .nullable(),
    proof: z
      .object({
        proved_at: time,
        gmail_count: z.number(),
        ledger_count: z.number(),
        missing_count: z.number(),
      })
      .readonly()
      .nullable(),
    incidents: z.array(z.object({ kind: z.string(), closed_at: time.nullable() }).readonly()).readonly(),
  })
  .readonly();

/** Of the whole answer, what concerns a mailbox and its cycles. */
export const SEEN_STATUS = z.object({
  is_running: z.boolean(),
  state: z.string(),
  last_poll_at: time.nullable(),
  emails_processed_total: z.number(),
  scheduler: z
    .object({
      job: z.string(),
      state: z.string(),
      schedule: z.string().nullable(),
      agrees: z.boolean().nullable(),
      error: fault.nullable(),
    })
    .readonly()
    .nullable(),
  mailboxes: z.array(mailbox).readonly(),
});

export type SeenStatus = Readonly<z.output<typeof SEEN_STATUS>>;
export type SeenMailbox = SeenStatus['mailboxes'][number];

export function currentOf({ mailboxes }: SeenStatus): SeenMailbox | null {
  return mailboxes.find((one) => one.is_current) ?? null;
}
