/**
 * Lets one large message at a time into memory, from its first megabyte until it is stored.
 * What must stay true: whoever is inside needs nothing that somebody outside holds, no place in flight either; else both
 * wait for each other for ever.
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
