/**
 * Creates and fills DOM elements.
 * Invariant: text is inserted as text. No function here parses markup, so an email cannot inject any.
 */
export type Child = Node | string | null;

/** Null and false omit the attribute; true sets it without a value. */
type Attributes = Readonly<Record<string, string | number | boolean | null>>;

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const created = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) created.setAttribute(key, value === true ? '' : String(value));
  }
  fill(created, ...children);
  return created;
}

/** Replaces all children. Null children are left out. */
export function fill(parent: Element, ...children: readonly Child[]): void {
  parent.replaceChildren(...children.filter((child) => child !== null));
}

/** Writes only a text that differs, because a screen reader announces every write. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** @throws {Error} when index.html has no element with this id */
export function byId<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no #${id}.`);
  return found as Kind;
}

/** A button of type `button`, which does not submit a form. */
export function button(
  text: string,
  onClick: (self: HTMLButtonElement) => void,
  attributes: Attributes = {},
): HTMLButtonElement {
  const created = element('button', { type: 'button', ...attributes }, text);
  created.addEventListener('click', () => onClick(created));
  return created;
}
