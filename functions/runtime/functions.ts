/** The functions by target. Each module is imported at first use, so that a process loads only the code that it serves. */
import type { Load } from './lazy-function.ts';
import type { Target } from './targets.ts';

export const FUNCTIONS = {
  poll: async () => await import('../poll.ts'),
  gmailPush: async () => await import('../gmail-push.ts'),
  ingestMailbox: async () => await import('../ingest-mailbox.ts'),
  status: async () => await import('../status.ts'),
  start: async () => await import('../start.ts'),
  stop: async () => await import('../stop.ts'),
  pollNow: async () => await import('../poll-now.ts'),
  console: async () => await import('../console.ts'),
  attachmentUrl: async () => await import('../attachment-url.ts'),
  migrate: async () => await import('../migrate.ts'),
} satisfies Record<Target, Load>;
