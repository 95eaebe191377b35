/** What can happen in a round, each at its time; plain data, so that a plan can be printed and repeated. */

import type { FaultRule } from '../../emulators/gmail/fault-rules.ts';
import type { Target } from '../../functions/runtime/targets.ts';
import type { StopMode } from './postgres.ts';

/** How a mail comes in, as labels of its arrival. */
export type Arrival =
  | 'inbox'
  /** A filter files it: it never is in the inbox. */
  | 'filed'
  /** A colleague reads it at once elsewhere. */
  | 'read'
  | 'draft'
  | 'spam'
  | 'sent';

/** What a person or a filter does to a mail that has arrived. */
export type Act = 'archive' | 'mark-read' | 'label' | 'trash' | 'report-spam' | 'rescue' | 'delete';

export type Happening =
  | { readonly kind: 'deliver'; readonly mail: number; readonly arrival: Arrival }
  | { readonly kind: 'act'; readonly act: Act; readonly mail: number }
  /** `count` requests at once. */
  | {
      readonly kind: 'call';
      readonly target: Exclude<Target, 'gmailPush' | 'console'>;
      readonly count?: number;
    }
  /** Pushes beside those of Gmail itself. */
  | {
      readonly kind: 'push';
      readonly what: 'current' | 'old' | 'garbage' | 'stranger';
      readonly count?: number;
    }
  /** The process that holds the lease, or any of the target's. Its lease is aged after `agesAfterMs`. */
  | {
      readonly kind: 'kill';
      readonly whom: 'holder' | Target;
      readonly signal: 'SIGKILL' | 'SIGTERM';
      readonly agesAfterMs: number;
    }
  | { readonly kind: 'scale_out'; readonly target: Target }
  /** Stopped past its lease, which is aged at once; another takes over; then it goes on. */
  | { readonly kind: 'freeze'; readonly whom: 'holder' | Target; readonly forMs: number }
  | { readonly kind: 'postgres'; readonly how: StopMode; readonly forMs: number }
  | { readonly kind: 'cut' }
  | { readonly kind: 'gmail_fault'; readonly rule: FaultRule; readonly forMs: number | null }
  | { readonly kind: 'switches'; readonly value: object; readonly why: string }
  | { readonly kind: 'expire_history'; readonly atRest: boolean }
  /** Statements of the functions fail with SQLSTATE 53100: those that store an email, or all that write. */
  | { readonly kind: 'disk_full'; readonly scope: 'stores' | 'all'; readonly forMs: number }
  /** The message has failed so often that the next charged failure makes it dead. */
  | { readonly kind: 'nearly_dead'; readonly mail: number }
  /** The account gets another address: same mail, same history, same tokens. */
  | { readonly kind: 'rename'; readonly address: string }
  /** So many label changes of one mail at once. */
  | { readonly kind: 'label_changes'; readonly mail: number; readonly count: number }
  /** A mail whose arrival the history shows late, and the listing later still, is moved to the trash at once. */
  | { readonly kind: 'deliver_trashed'; readonly mail: number; readonly heldMs: number }
  /** Calls to Cloud Scheduler take up to so long on each way. */
  | { readonly kind: 'slow_scheduler'; readonly maxDelayMs: number }
  | { readonly kind: 'expire_tokens' }
  /** Gmail stops publishing without notice. */
  | { readonly kind: 'expire_watch' }
  | { readonly kind: 'revoke'; readonly reauthorizedAfterMs: number }
  /** A new refresh token; the old one may go on working beside it. Instances with it replace the others. */
  | { readonly kind: 'redeploy'; readonly revokesOld: boolean; readonly share: 'all' | 'some' }
  /** The clock of each process of the target jumps. */
  | { readonly kind: 'clock'; readonly target: Target }
  /** Every wait of the mailbox and of its messages has passed. */
  | { readonly kind: 'time_passes' }
  /** Nothing runs: every process of the functions is gone. */
  | { readonly kind: 'all_down' }
  | { readonly kind: 'all_up' };

export type Event = Happening & { readonly atMs: number };

/** One line for a person. */
export function describe({ atMs, kind, ...rest }: Event): string {
  return `+${String(atMs).padStart(4)} ms ${kind} ${JSON.stringify(rest)}`;
}
