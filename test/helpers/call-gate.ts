/**
 * Holds calls of one method in the emulated Gmail until the test releases them, so that a test can act while a call is in
 * flight. Pass `timers` to the emulator.
 */
import type { EmulatedGmail } from '../../emulators/gmail/emulated-gmail.ts';
import type { Timers } from '../../emulators/gmail/timers.ts';

export class CallGate {
  #isHeld = false;
  #held: (() => void)[] = [];
  #heldCount = 0;
  readonly #arrivals: { readonly count: number; readonly resolve: () => void }[] = [];

  readonly timers: Timers = {
    after: (_delayMs, run) => {
      if (this.#isHeld) {
        this.#held.push(run);
        this.#heldCount += 1;
        for (const { count, resolve } of this.#arrivals) if (this.#heldCount >= count) resolve();
      } else setImmediate(run);
      return () => undefined;
    },
  };

  /** Holds all later calls of `method`. */
  hold(gmail: EmulatedGmail, method: string): void {
    this.#isHeld = true;
    gmail.faults.add({ kind: 'delay', delayMs: 1, method });
  }

  /** Resolves when this many calls were held since the start. */
  async arrival(count = 1): Promise<void> {
    if (this.#heldCount >= count) return;
    await new Promise<void>((resolve) => this.#arrivals.push({ count, resolve }));
  }

  /** Releases the held calls and stops holding later ones. */
  release(): void {
    this.#isHeld = false;
    for (const run of this.#held.splice(0)) run();
  }
}
