/** A button that shows and hides a panel. The content is created when the panel opens, and removed when it closes. */
import { button, element, fill } from './element.ts';

interface DisclosureOptions {
  /** Of the panel. */
  readonly id: string;
  /** The text of the button while the panel is closed. */
  readonly show: string;
  readonly hide: string;
  /** Follows the text in the accessible name, so that each button has its own. */
  readonly about?: string;
  readonly content: () => Node;
}

export function disclosure({ about, content, hide, id, show }: DisclosureOptions): {
  readonly control: HTMLButtonElement;
  readonly panel: HTMLElement;
} {
  const panel = element('div', { id, class: 'panel' });
  const name = (text: string) => (about === undefined ? null : `${text} ${about}`);
  const control = button(
    show,
    () => {
      const isOpen = control.getAttribute('aria-expanded') === 'true';
      const text = isOpen ? show : hide;
      control.setAttribute('aria-expanded', String(!isOpen));
      control.textContent = text;
      const label = name(text);
      if (label !== null) control.setAttribute('aria-label', label);
      fill(panel, isOpen ? null : content());
    },
    { 'aria-expanded': 'false', 'aria-controls': id, 'aria-label': name(show) },
  );
  return { control, panel };
}
