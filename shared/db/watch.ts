/** The push watch of a mailbox: its topic, its end, and why it could not be renewed. */
import type { Queryable } from './database.ts';

export interface WatchState {
  readonly topic: string | null;
  readonly errorCode: string | null;
  /** Less than the renewal margin is left, by the clock of the database, and no failure is waited out. */
  readonly isDue: boolean;
}

const isDue = (mailbox: string, topic: string, margin: string) => `(
    ${mailbox}.watch_topic is distinct from ${topic}::text
      or coalesce(${mailbox}.watch_expires_at < now() + ${margin}::integer * interval '1 second', true))
    and coalesce(${mailbox}.watch_next_attempt_at <= now(), true)`;

/**
 * An expression of SQL: the watch is due for renewal, or, without a topic, one or its failure is to be cleared away.
 *
 * @param mailbox alias of the row
 * @param topic parameter: the configured topic, null for none
 * @param margin parameter: seconds; a watch that ends within them is due
 */
export function isWatchToTend(mailbox: string, topic: string, margin: string): string {
  return `case
    when ${topic}::text is null then coalesce(${mailbox}.watch_topic, ${mailbox}.watch_error_code) is not null
    else ${isDue(mailbox, topic, margin)}
  end`;
}

/**
 * @param topic the configured one, null for none
 * @param marginSeconds a watch that ends within it is due for renewal
 */
export async function readWatch(
  db: Queryable,
  mailboxId: number,
  topic: string | null,
  marginSeconds: number,
): Promise<WatchState> {
  const { rows } = await db.query<{
    watch_topic: string | null;
    watch_error_code: string | null;
    is_due: boolean;
  }>(
    `select watch_topic, watch_error_code,
            ${isDue('m', '$2', '$3')} as is_due
     from mailboxes m
     where id = $1::integer`,
    [mailboxId, topic, marginSeconds],
  );
  const row = rows[0];
  return {
    topic: row?.watch_topic ?? null,
    errorCode: row?.watch_error_code ?? null,
    isDue: row?.is_due ?? true,
  };
}

/** Registered or renewed. */
export async function saveWatch(
  db: Queryable,
  mailboxId: number,
  watch: { readonly topic: string; readonly expiresAt: Date },
): Promise<void> {
  await db.query(
    `update mailboxes
     set watch_topic = $2::text,
         watch_expires_at = $3::timestamptz,
         watch_next_attempt_at = null,
         watch_error_code = null,
         watch_error = null
     where id = $1::integer`,
    [mailboxId, watch.topic, watch.expiresAt],
  );
}

/** Ended, or no topic is configured any more. */
export async function clearWatch(db: Queryable, mailboxId: number): Promise<void> {
  await db.query(
    `update mailboxes
     set watch_topic = null,
         watch_expires_at = null,
         watch_next_attempt_at = null,
         watch_error_code = null,
         watch_error = null
     where id = $1::integer`,
    [mailboxId],
  );
}

/** It could not be registered or renewed; what was registered before stays noted. */
export async function recordWatchFailure(
  db: Queryable,
  mailboxId: number,
  failure: { readonly code: string; readonly detail: string; readonly waitSeconds: number },
): Promise<void> {
  await db.query(
    `update mailboxes
     set watch_error_code = $2::text,
         watch_error = $3::text,
         watch_next_attempt_at = now() + $4::integer * interval '1 second'
     where id = $1::integer`,
    [mailboxId, failure.code, failure.detail, failure.waitSeconds],
  );
}
