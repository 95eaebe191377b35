/** The mailbox of every fixture, and the settings of the emulated Gmail without faults. */
export const MAILBOX = 'inbox@example.com';

/** Settings that end all faults of Gmail except index lag. */
export const NO_FAULTS = {
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

/** Ends index lag. Separate, because lag continues after the faults until the index has shown everything. */
export const NO_INDEX_LAG = {
  indexLag: { historyMs: 0, listMs: 0, nextRecordMs: 0, lateRecordProbability: 0 },
};
