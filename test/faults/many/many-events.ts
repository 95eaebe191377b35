/** Events that exist only with many mailboxes. They are plain data, like those of `events.ts`. */
import type { WorkFaults } from '../../helpers/work-topic.ts';

export type Access = 'environment' | 'refresh_token' | 'delegation';

/** The first mailbox is that of the environment; of the others, half have secrets of their own and half are delegated. */
export function accessOf(mailbox: number): Access {
  if (mailbox === 0) return 'environment';
  return mailbox % 2 === 1 ? 'refresh_token' : 'delegation';
}

export type ManyEventAction =
  /** An operator pauses the mailbox. Its pushes are recorded, nothing is fetched. */
  | { readonly kind: 'pause'; readonly mailbox: number; readonly forMs: number }
  /** The file of the mailbox's secret is missing. */
  | { readonly kind: 'secret_away'; readonly mailbox: number; readonly forMs: number }
  | {
      readonly kind: 'rotate_secret';
      readonly mailbox: number;
      readonly refreshToken: string;
      readonly revokesOld: boolean;
    }
  /** The administrator of the domain withdraws the delegation for this account. */
  | { readonly kind: 'delegation_denied'; readonly mailbox: number; readonly forMs: number }
  | {
      readonly kind: 'work';
      readonly faults: Partial<WorkFaults>;
      readonly forMs: number;
      readonly why: string;
    }
  /** A work message that `poll` did not publish now: an old one again, or one of an unknown sender. */
  | {
      readonly kind: 'stray_work';
      readonly mailbox: number;
      readonly what: 'known' | 'stranger' | 'garbage';
    };

export type ManyEvent = ManyEventAction & { readonly atMs: number };
