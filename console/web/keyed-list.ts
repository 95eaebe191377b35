/**
 * Shows rows by key. A row that remains keeps its element, so that an update does not lose the focus, the selection or the
 * scroll position.
 */
export class KeyedList<Row> {
  readonly #parent: Element;
  readonly #keyOf: (row: Row) => string;
  readonly #render: (row: Row, previous: Element | null) => Element;
  readonly #shown = new Map<string, { readonly element: Element; readonly json: string }>();

  /** @param render gets the element that the new one replaces, and may take parts of it */
  constructor(
    parent: Element,
    keyOf: (row: Row) => string,
    render: (row: Row, previous: Element | null) => Element,
  ) {
    this.#parent = parent;
    this.#keyOf = keyOf;
    this.#render = render;
  }

  show(rows: readonly Row[]): void {
    const keys = new Set(rows.map(this.#keyOf));
    for (const [key, { element }] of this.#shown) {
      if (keys.has(key)) continue;
      element.remove();
      this.#shown.delete(key);
    }
    // A changed row replaces its element, so all elements are made before `next` refers to one of them.
    const elements = rows.map((row) => this.#elementOf(row));
    const focused = document.activeElement;
    let next: Element | null = this.#parent.firstElementChild;
    for (const element of elements) {
      if (element === next) next = next.nextElementSibling;
      else this.#parent.insertBefore(element, next);
    }
    // An element that is moved loses the focus.
    if (
      focused instanceof HTMLElement &&
      focused !== document.activeElement &&
      this.#parent.contains(focused)
    )
      focused.focus({ preventScroll: true });
  }

  #elementOf(row: Row): Element {
    const key = this.#keyOf(row);
    const json = JSON.stringify(row);
    const shown = this.#shown.get(key);
    if (shown?.json === json) return shown.element;
    // Before the new element takes parts of the previous one.
    const focused =
      shown === undefined ? -1 : controlsOf(shown.element).indexOf(document.activeElement as HTMLElement);
    const element = this.#render(row, shown?.element ?? null);
    if (shown !== undefined) {
      shown.element.replaceWith(element);
      // The control in the same place, so that a key press does not reach another one.
      const controls = controlsOf(element);
      if (focused >= 0) (controls[focused] ?? controls[0])?.focus({ preventScroll: true });
    }
    this.#shown.set(key, { element, json });
    return element;
  }
}

function controlsOf(row: Element): HTMLElement[] {
  return [...row.querySelectorAll<HTMLElement>('button, a')];
}
