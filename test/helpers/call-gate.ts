/**
 * Holds calls of one method in the emulated Gmail until the test releases them, so that a test can act while a call is in
 * flight. Pass `timers` to the emulator.
 */
import type { EmulatedGmail } from '../../emulators/gmail/emulated-gmail.ts';
import type { Timers } from '../../emulators/gmail/timers.ts';

export class CallGate {
  #isHeld = false;
  #held: (() => void)[] = [];
  #arrival = Promise.withResolvers<void>();

  readonly timers: Timers = {
    after: (_delayMs, run) => {
      if (this.#isHeld) {
        this.#held.push(run);
        this.#arrival.resolve();
      } else setImmediate(run);
      return () => undefined;
    },
  };

  /** Holds all later calls of `method`. */
  hold(gmail: EmulatedGmail, method: string): void {
    this.#isHeld = true;
    gmail.faults.add({ kind: 'delay', delayMs: 1, method });
  }

  /** Resolves when a call is held. */
  async arrival(): Promise<void> {
    await this.#arrival.promise;
  }

  /** Releases the held calls and stops holding later ones. */
  release(): void {
    this.#isHeld = false;
    for (const run of this.#held.splice(0)) run();
  }
}
