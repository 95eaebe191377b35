/**
 * The answer of the consent by hand: on a machine without a browser a person opens the URL elsewhere, where the browser
 * ends at an address that does not answer, and pastes that address here. It is checked as the browser's own would be.
 */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** @returns how to stop listening, so that the process can end. */
export function listenForPaste(
  input: Readable,
  take: (answer: URLSearchParams) => void,
  onUseless: () => void,
): () => void {
  const lines = createInterface({ input });
  lines.on('line', (line) => {
    const text = line.trim();
    if (text === '') return;
    const answer = answerIn(text);
    if (answer === null) onUseless();
    else take(answer);
  });
  return () => {
    lines.close();
    input.destroy();
  };
}

/** Of a whole address, `http://127.0.0.1:PORT/?state=...&code=...`, or of what follows its question mark. */
function answerIn(text: string): URLSearchParams | null {
  const query = text.slice(text.indexOf('?') + 1).replace(/#.*$/, '');
  const answer = new URLSearchParams(query);
  return answer.has('state') && (answer.has('code') || answer.has('error')) ? answer : null;
}
