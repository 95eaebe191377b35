// The two ways in which the emulator feels time pass: a clock that tells it and timers that ring. Both are
// arguments everywhere, so that a test can run a week of expiry and redelivery without waiting.

/** Epoch milliseconds. */
export type Clock = () => number;

export interface Timers {
  /** Calls `run` once after `delayMs`; the function it gives cancels the call. */
  after(delayMs: number, run: () => void): () => void;
}

/** Real timers. They do not keep the process alive: an emulator with nothing else to do may end. */
export const systemTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`; at once when it is zero or less. */
export function pause(timers: Timers, delayMs: number): Promise<void> {
  return delayMs > 0 ? new Promise((resolve) => timers.after(delayMs, resolve)) : Promise.resolve();
}
