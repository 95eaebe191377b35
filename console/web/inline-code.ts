/** Renders text from the server. Commands in remediations and advice are between backticks. */
import { type Child, element } from './element.ts';

/** Text with each part between backticks as a `code` element. */
export function withInlineCode(text: string): Child[] {
  return text
    .split('`')
    .map((part, index) => (index % 2 === 1 ? element('code', {}, part) : part))
    .filter((part) => part !== '');
}
