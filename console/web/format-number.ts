/** Formats numbers for display. */

const INTEGER = new Intl.NumberFormat('en');

export function formatNumber(value: number): string {
  return INTEGER.format(value);
}

/** `1 email`, `2 emails`. */
export function pluralize(count: number, noun: string): string {
  return `${formatNumber(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** In decimal units, as email clients show sizes. */
export function formatBytes(count: number): string {
  if (count < 1_000) return `${count} B`;
  if (count < 1_000_000) return `${Math.round(count / 1_000)} KB`;
  return `${(count / 1_000_000).toFixed(1)} MB`;
}
