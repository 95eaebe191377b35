/** Cures and advice, whose commands stand between backticks. */
import { type Child, element } from './element.ts';

export function withInlineCode(text: string): Child[] {
  return text
    .split('`')
    .map((part, index) => (index % 2 === 1 ? element('code', {}, part) : part))
    .filter((part) => part !== '');
}
