/**
 * Makes and fills elements. What must stay true: text goes in as text. Nothing here takes markup, so that no mail
 * can bring any.
 */
export type Child = Node | string | null;

/** Attributes; a listener goes in by `on`. Null and false: left out. True: without a value. */
type Attributes = Readonly<Record<string, string | number | boolean | null>>;

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(key, value === true ? '' : String(value));
  }
  fill(made, ...children);
  return made;
}

/** Replaces what it holds. */
export function fill(parent: Element, ...children: readonly Child[]): void {
  parent.replaceChildren(...children.filter((child) => child !== null));
}

/** Only when it differs: a screen reader repeats what is written anew. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** @throws {Error} for an id that index.html does not have */
export function byId<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no #${id}.`);
  return found as Kind;
}

/** A button that is no submit button. */
export function button(
  text: string,
  onClick: (self: HTMLButtonElement) => void,
  attributes: Attributes = {},
): HTMLButtonElement {
  const made = element('button', { type: 'button', ...attributes }, text);
  made.addEventListener('click', () => onClick(made));
  return made;
}
