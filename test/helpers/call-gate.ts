/**
 * Holds calls of one kind inside the emulated Gmail until the test lets them go: what happens "meanwhile" happens
 * exactly then. Give `timers` to the emulator.
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

  /** From now on calls of `method` stay inside. */
  hold(gmail: EmulatedGmail, method: string): void {
    this.#isHeld = true;
    gmail.faults.add({ kind: 'delay', delayMs: 1, method });
  }

  /** Resolves when a call is held. */
  async arrival(): Promise<void> {
    await this.#arrival.promise;
  }

  /** Lets all go, now and from now on. */
  release(): void {
    this.#isHeld = false;
    for (const run of this.#held.splice(0)) run();
  }
}
