/**
 * The table of `npm run sql`. The cells hold text that strangers have sent by email, so nothing in them may reach the
 * terminal as a control or escape sequence.
 * Invariant: the output contains no control character except the line breaks between rows.
 */
import { escapeUnsafe } from '../support/terminal.ts';

const MAX_CELL_CHARACTERS = 80;
const ELLIPSIS = '…';

export interface Table {
  /** The lines of the table. */
  readonly text: string;
  /** Cells whose text was longer than the column may be. */
  readonly cutCount: number;
}

/** @param rows one value per column name, in the order of the names */
export function formatTable(names: readonly string[], rows: readonly (readonly unknown[])[]): Table {
  let cutCount = 0;
  const cell = (value: unknown): string => {
    // Escaped before it is cut, so that the width is that of the printed text.
    const characters = [...escapeUnsafe(textOf(value).replaceAll(/\s+/g, ' '))];
    if (characters.length <= MAX_CELL_CHARACTERS) return characters.join('');
    cutCount += 1;
    return characters.slice(0, MAX_CELL_CHARACTERS - 1).join('') + ELLIPSIS;
  };
  const cells = [names.map(cell), ...rows.map((row) => row.map(cell))];
  const widths = names.map((_, column) =>
    cells.reduce((widest, line) => Math.max(widest, line[column]?.length ?? 0), 0),
  );
  const lines = cells.map((line) =>
    line
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return { text: lines.join('\n'), cutCount };
}

/** A null is empty, so that an empty text needs another form. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value === '') return "''";
  if (Buffer.isBuffer(value)) return `${value.length} bytes`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? String(value) : value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
