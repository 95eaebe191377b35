/** The mailbox of every fixture, and how its Gmail behaves when nothing is wrong. */
export const MAILBOX = 'inbox@example.com';

/** Without a fault of Gmail. */
export const CALM = {
  emptyHistoryPages: 0,
  quota: { maxConcurrent: null },
  notifications: {
    dropProbability: 0,
    duplicateProbability: 0,
    delayMs: 0,
    jitterMs: 0,
    isRateLimited: false,
    maxAttempts: 5,
    firstBackoffMs: 100,
    maxBackoffMs: 1_000,
    ackDeadlineMs: 10_000,
  },
};

/** Indexes that keep up. An index that runs behind does so until it has shown everything, not until a test is over. */
export const PROMPT = {
  indexLag: { historyMs: 0, listMs: 0, nextRecordMs: 0, lateRecordProbability: 0 },
};
