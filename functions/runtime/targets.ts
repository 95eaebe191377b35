/** The deployed functions by target. Each module is imported at first use, so that a function loads only its own code. */
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
};

export type Target = keyof typeof FUNCTIONS;
export const TARGETS = Object.keys(FUNCTIONS) as readonly Target[];

/** The target of the deployed image, which contains all functions. APP_FUNCTION selects the one that it serves. */
export const MAIN = 'main';
