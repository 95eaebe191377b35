// Clock and timers of the emulator. Both are arguments everywhere, so a test can run a week of expiry and redelivery
// without waiting.

/** Epoch milliseconds. */
export type Clock = () => number;

export interface Timers {
  /** Calls `run` once after `delayMs`. The returned function cancels the call. */
  after(delayMs: number, run: () => void): () => void;
}

/** Real timers. They do not keep the process alive. */
export const systemTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or at once if it is zero or less. */
export function pause(timers: Timers, delayMs: number): Promise<void> {
  return delayMs > 0 ? new Promise((resolve) => timers.after(delayMs, resolve)) : Promise.resolve();
}
