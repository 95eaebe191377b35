/** The one live region of the page. It is invisible: the same text is visible elsewhere. */
import { byId, fill } from './element.ts';

let count = 0;

/** Speaks politely, after what the screen reader is saying. */
export function speak(text: string): void {
  const region = byId('announcement');
  // Emptied first, so that a screen reader also repeats an unchanged text.
  fill(region);
  fill(region, text);
  count += 1;
}

export function spokenCount(): number {
  return count;
}
