/** Numbers as people read them. */

const WHOLE = new Intl.NumberFormat('en');

export function number(value: number): string {
  return WHOLE.format(value);
}

/** `1 email`, `2 emails`. */
export function counted(count: number, noun: string): string {
  return `${number(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Decimal units, as mail programs show them. */
export function bytes(count: number): string {
  if (count < 1_000) return `${count} B`;
  if (count < 1_000_000) return `${Math.round(count / 1_000)} KB`;
  return `${(count / 1_000_000).toFixed(1)} MB`;
}
