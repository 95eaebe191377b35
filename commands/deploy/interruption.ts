/**
 * Ctrl-C during a deployment. Terraform must be told exactly once: the first time it stops in order and gives its lock
 * back, a second time it exits on the spot and the lock stays. Hence the programs run in a process group of their own
 * (see `programs.ts`), which a terminal's Ctrl-C does not reach, and what arrives here is passed on.
 */

/** npm passes on the Ctrl-C that the terminal has sent to us as well: within this time they are one. */
const SAME_MS = 1_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A person has ended the deployment. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor(message = 'Interrupted before anything was done.') {
    super(message);
  }
}

export interface Interruption {
  readonly signal: AbortSignal;
  /** Called at the first Ctrl-C, and at each that a person presses later on. @returns how to stop listening */
  onPress(listener: () => void): () => void;
  /** @throws {Interrupted} once it was pressed */
  check(): void;
}

/** For a command that Ctrl-C ends on the spot. */
export const UNHEARD: Interruption = {
  signal: new AbortController().signal,
  onPress: () => () => undefined,
  check: () => undefined,
};

/** May be called once in a process. */
export function listenForInterruption(): Interruption {
  const controller = new AbortController();
  const listeners = new Set<() => void>();
  let pressedAt = Number.NEGATIVE_INFINITY;
  const press = () => {
    const now = performance.now();
    if (now - pressedAt < SAME_MS) return;
    pressedAt = now;
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
    check: () => {
      if (controller.signal.aborted) throw new Interrupted();
    },
  };
}
