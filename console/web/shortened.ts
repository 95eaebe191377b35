/** Shortens text that a sender made so long that it would hide the rest of the page. The original email has all of it. */
const MAX_CHARACTERS = 500;

export function shortened(text: string): string {
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS)}…`;
}
