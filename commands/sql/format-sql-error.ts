/** An error of PostgreSQL as text, with the line of the statement and a caret below the position, as in psql. */
import type { DatabaseError } from 'pg';
import { escapeUnsafe } from '../support/terminal.ts';

/** Longer lines are cut around the position, so that the caret stays below it. */
const CONTEXT_CHARACTERS = 60;

export function formatSqlError(error: DatabaseError, statement: string): string {
  const parts = [`${error.severity ?? 'ERROR'}: ${printable(error.message)}`];
  // PostgreSQL counts characters, not UTF-16 code units, from 1.
  if (error.position !== undefined) parts.push(...markPosition([...statement], Number(error.position) - 1));
  if (error.detail !== undefined) parts.push(`DETAIL: ${printable(error.detail)}`);
  if (error.hint !== undefined) parts.push(`HINT: ${printable(error.hint)}`);
  return parts.join('\n');
}

function markPosition(characters: readonly string[], at: number): string[] {
  const lineStart = characters.lastIndexOf('\n', at - 1) + 1;
  const lineEnd = characters.indexOf('\n', at);
  const line = characters.slice(0, at).filter((one) => one === '\n').length + 1;
  const from = Math.max(lineStart, at - CONTEXT_CHARACTERS);
  const to = Math.min(lineEnd === -1 ? characters.length : lineEnd, at + CONTEXT_CHARACTERS);
  const label = `LINE ${line}: ${from > lineStart ? '...' : ''}`;
  const before = printable(characters.slice(from, at).join(''));
  const after = printable(characters.slice(at, to).join(''));
  return [`${label}${before}${after}`, `${' '.repeat(label.length + before.length)}^`];
}

function printable(text: string): string {
  return escapeUnsafe(text.replaceAll(/[\t\r\n]/g, ' '));
}
