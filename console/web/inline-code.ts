/** Renders text from the server. Commands in remediations and advice are between backticks; times are ISO 8601 in UTC. */
import { type Child, element } from './element.ts';
import { timeElement } from './times.ts';

const ISO_TIME = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/;

/** Text with each part between backticks as a `code` element, and each time in the local time zone. */
export function withInlineCode(text: string): Child[] {
  return text
    .split('`')
    .flatMap((part, index): Child[] => (index % 2 === 1 ? [element('code', {}, part)] : withTimes(part)));
}

function withTimes(text: string): Child[] {
  return text
    .split(ISO_TIME)
    .map((part, index) => (index % 2 === 1 ? timeElement(part) : part))
    .filter((part) => part !== '');
}
