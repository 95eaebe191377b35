/** The events of a round. They are plain data, so that a plan can be printed and repeated. */

import type { FaultRule } from '../../emulators/gmail/fault-rules.ts';
import type { Target } from '../../functions/runtime/targets.ts';
import type { StopMode } from './postgres.ts';

/** How an email arrives, which determines its labels. */
export type Arrival =
  | 'inbox'
  /** A Gmail filter archives it, so it is never in the inbox. */
  | 'filed'
  /** Another client reads it immediately. */
  | 'read'
  | 'draft'
  | 'spam'
  | 'sent';

/** A change that a user or a filter makes to a delivered email. */
export type MessageChange = 'archive' | 'mark-read' | 'label' | 'trash' | 'report-spam' | 'rescue' | 'delete';

export type EventAction =
  | { readonly kind: 'deliver'; readonly mail: number; readonly arrival: Arrival }
  | { readonly kind: 'change'; readonly change: MessageChange; readonly mail: number }
  /** `count` concurrent requests. */
  | {
      readonly kind: 'call';
      readonly target: Exclude<Target, 'gmailPush' | 'console'>;
      readonly count?: number;
    }
  /** Pushes in addition to Gmail's own. */
  | {
      readonly kind: 'push';
      readonly what: 'current' | 'old' | 'garbage' | 'stranger';
      readonly count?: number;
    }
  /** Ends the process that holds the lease, or any process of the target. Its lease expires after `agesAfterMs`. */
  | {
      readonly kind: 'kill';
      readonly victim: 'holder' | Target;
      readonly signal: 'SIGKILL' | 'SIGTERM';
      readonly agesAfterMs: number;
    }
  | { readonly kind: 'scale_out'; readonly target: Target }
  /** Pauses a process. Its lease expires at once, so that another process takes over. Then it resumes. */
  | { readonly kind: 'freeze'; readonly victim: 'holder' | Target; readonly forMs: number }
  | { readonly kind: 'postgres'; readonly how: StopMode; readonly forMs: number }
  | { readonly kind: 'cut' }
  | { readonly kind: 'gmail_fault'; readonly rule: FaultRule; readonly forMs: number | null }
  | { readonly kind: 'switches'; readonly value: object; readonly why: string }
  | { readonly kind: 'expire_history'; readonly atRest: boolean }
  /** Writes of the functions fail with SQLSTATE 53100: only those that store an email, or all. */
  | { readonly kind: 'disk_full'; readonly scope: 'stores' | 'all'; readonly forMs: number }
  /** Sets the attempt count so that the next counted failure makes the message dead. */
  | { readonly kind: 'nearly_dead'; readonly mail: number }
  /** The account gets another address. Emails, history and tokens stay the same. */
  | { readonly kind: 'rename'; readonly address: string }
  /** `count` label changes of one email at once. */
  | { readonly kind: 'label_changes'; readonly mail: number; readonly count: number }
  /** Delivers an email that appears late in history and listings, and moves it to the trash at once. */
  | { readonly kind: 'deliver_trashed'; readonly mail: number; readonly heldMs: number }
  /** Delays requests to Cloud Scheduler, and their responses, by up to `maxDelayMs` each. */
  | { readonly kind: 'slow_scheduler'; readonly maxDelayMs: number }
  | { readonly kind: 'expire_tokens' }
  /** Gmail stops publishing without notice. */
  | { readonly kind: 'expire_watch' }
  | { readonly kind: 'revoke'; readonly reauthorizedAfterMs: number }
  /** Deploys a new refresh token to all or some instances. The old token may stay valid. */
  | { readonly kind: 'redeploy'; readonly revokesOld: boolean; readonly share: 'all' | 'some' }
  /** Shifts the clock of every process of the target. */
  | { readonly kind: 'clock'; readonly target: Target }
  /** Makes the next poll and all retries due. */
  | { readonly kind: 'time_passes' }
  /** Kills all processes of the functions. */
  | { readonly kind: 'all_down' }
  | { readonly kind: 'all_up' };

export type Event = EventAction & { readonly atMs: number };

/** Formats an event as one line of the report. */
export function describe({ atMs, kind, ...rest }: Event): string {
  return `+${String(atMs).padStart(4)} ms ${kind} ${JSON.stringify(rest)}`;
}
