/**
 * Lets one large message at a time into memory, from its first megabyte until it is stored. Whoever is inside
 * needs nothing else that somebody outside holds, so it cannot lock up.
 */
export class LargeGate {
  #tail: Promise<void> = Promise.resolve();

  /** One for each message. `enter` may be called again and waits once; `leave` always follows. */
  pass(): { readonly enter: () => Promise<void>; readonly leave: () => void } {
    let entered: Promise<void> | null = null;
    let hasLeft = false;
    let open: () => void = () => undefined;
    return {
      enter: async () => {
        if (entered === null) {
          entered = this.#tail;
          this.#tail = entered.then(
            async () =>
              await new Promise<void>((resolve) => {
                open = resolve;
                if (hasLeft) resolve();
              }),
          );
        }
        await entered;
      },
      leave: () => {
        hasLeft = true;
        open();
      },
    };
  }
}
