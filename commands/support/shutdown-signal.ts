/**
 * Ctrl-C, for every command that has something to finish first: the first one asks it to stop, and a later one ends the
 * process at once. A command that runs other programs passes each one on to them instead.
 */
/**
 * `npm run` forwards the Ctrl-C that the terminal sends to the whole process group, so one press arrives twice. Signals
 * within this time are one press.
 */
const SAME_PRESS_MS = 1_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The operator pressed Ctrl-C. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor(message = 'Interrupted before anything was done.') {
    super(message);
  }
}

export interface Shutdown {
  /** Aborts at the first press. */
  readonly signal: AbortSignal;
  /** While a listener is registered, it gets every press, and no press ends the process. @returns removes it */
  onPress(listener: () => void): () => void;
}

/** Call it once per process. */
export function shutdownSignal(): Shutdown {
  const controller = new AbortController();
  const listeners = new Set<() => void>();
  let pressedAt = Number.NEGATIVE_INFINITY;
  const press = () => {
    const now = performance.now();
    if (now - pressedAt < SAME_PRESS_MS) return;
    pressedAt = now;
    if (controller.signal.aborted && listeners.size === 0) process.exit(130);
    controller.abort();
    for (const listener of listeners) listener();
  };
  for (const signal of SIGNALS) process.on(signal, press);
  return {
    signal: controller.signal,
    onPress: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
