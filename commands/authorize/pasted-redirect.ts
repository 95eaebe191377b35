/**
 * Reads the pasted redirect URL, for a machine without a browser. The operator opens the URL elsewhere, where the browser ends at
 * an address that does not load, and pastes that address here. It is checked like the browser's own redirect.
 */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** @returns stops listening, so that the process can end */
export function listenForPaste(
  input: Readable,
  accept: (redirect: URLSearchParams) => void,
  onInvalid: () => void,
): () => void {
  const lines = createInterface({ input });
  lines.on('line', (line) => {
    const text = line.trim();
    if (text === '') return;
    const redirect = redirectIn(text);
    if (redirect === null) onInvalid();
    else accept(redirect);
  });
  return () => {
    lines.close();
    input.destroy();
  };
}

/** Reads a whole address, `http://127.0.0.1:PORT/?state=...&code=...`, or the part after its question mark. */
function redirectIn(text: string): URLSearchParams | null {
  const query = text.slice(text.indexOf('?') + 1).replace(/#.*$/, '');
  const redirect = new URLSearchParams(query);
  return redirect.has('state') && (redirect.has('code') || redirect.has('error')) ? redirect : null;
}
