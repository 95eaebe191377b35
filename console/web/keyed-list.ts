/**
 * Shows rows by key: a row that stays keeps its element, and with it the focus, the selection and the scroll
 * position of whoever reads it.
 */
export class KeyedList<Row> {
  readonly #parent: Element;
  readonly #keyOf: (row: Row) => string;
  readonly #make: (row: Row) => Element;
  readonly #shown = new Map<string, { readonly element: Element; readonly text: string }>();

  constructor(parent: Element, keyOf: (row: Row) => string, make: (row: Row) => Element) {
    this.#parent = parent;
    this.#keyOf = keyOf;
    this.#make = make;
  }

  show(rows: readonly Row[]): void {
    const wanted = new Set(rows.map(this.#keyOf));
    for (const [key, { element }] of this.#shown) {
      if (wanted.has(key)) continue;
      element.remove();
      this.#shown.delete(key);
    }
    let place: Element | null = this.#parent.firstElementChild;
    for (const row of rows) {
      const element = this.#elementOf(row);
      if (element === place) place = place.nextElementSibling;
      else this.#parent.insertBefore(element, place);
    }
  }

  #elementOf(row: Row): Element {
    const key = this.#keyOf(row);
    const text = JSON.stringify(row);
    const shown = this.#shown.get(key);
    if (shown?.text === text) return shown.element;
    const element = this.#make(row);
    if (shown !== undefined) {
      const hadFocus = shown.element.contains(document.activeElement);
      shown.element.replaceWith(element);
      if (hadFocus) element.querySelector<HTMLElement>('button, a')?.focus({ preventScroll: true });
    }
    this.#shown.set(key, { element, text });
    return element;
  }
}
