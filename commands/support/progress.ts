/**
 * The progress of a long command: a bar that is redrawn in place on a terminal, or a plain line every few seconds
 * elsewhere. It is written to standard error, so that standard output holds results only. Rendering is a pure function.
 */

export interface ProgressState {
  readonly done: number;
  /** Null: not known yet. */
  readonly total: number | null;
  /** `emails` */
  readonly noun: string;
  /** Null: not known yet. */
  readonly perMinute: number | null;
  /** The highest rate that can last. A quota lets the work of the first minute pass at once, so the measured rate may be higher. */
  readonly maxPerMinute?: number;
  /** Added at the end of the line. */
  readonly extra?: string;
}

/** `process.stderr` has this form. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const BAR_CELLS = 24;
const REDRAW_MS = 100;
const PLAIN_MS = 5_000;
/** The rate is an average over this time, because Gmail's quota lets work through in bursts of a minute. */
const RATE_WINDOW_MS = 120_000;
const CLEAR_LINE = '\r\u001b[2K';

/** @param columns the line is cut to this width: a line that wraps cannot be redrawn */
export function renderBar(state: ProgressState, columns: number): string {
  const share = shareOf(state);
  const filled = share === null ? 0 : Math.floor(share * BAR_CELLS);
  const bar = share === null ? '' : `[${'#'.repeat(filled)}${'-'.repeat(BAR_CELLS - filled)}] `;
  return `${bar}${renderLine(state)}`.slice(0, Math.max(0, columns - 1));
}

export function renderLine(state: ProgressState): string {
  const { done, total, noun, extra } = state;
  const perMinute =
    state.perMinute === null ? null : Math.min(state.perMinute, state.maxPerMinute ?? Infinity);
  const share = shareOf(state);
  const parts = [
    total === null
      ? `${formatNumber(done)} ${noun}`
      : `${formatNumber(done)} of ${formatNumber(total)} ${noun}${share === null ? '' : ` (${Math.floor(share * 100)} %)`}`,
  ];
  if (perMinute !== null) parts.push(`${formatNumber(Math.round(perMinute))} per minute`);
  if (total !== null && total > done && perMinute !== null && perMinute > 0)
    parts.push(`${formatDuration(((total - done) / perMinute) * 60)} left`);
  if (extra) parts.push(extra);
  return parts.join(', ');
}

/** `45 s`, `12 min`, `3 h 20 min`; rounded up. */
export function formatDuration(seconds: number): string {
  if (seconds <= 90) return `${Math.max(1, Math.ceil(seconds))} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h${minutes % 60 === 0 ? '' : ` ${minutes % 60} min`}`;
}

function shareOf({ done, total }: ProgressState): number | null {
  return total === null || total === 0 ? null : Math.min(1, done / total);
}

function formatNumber(count: number): string {
  return count.toLocaleString('en');
}

/** The average rate of the last two minutes. */
export class RateMeter {
  readonly #samples: { readonly atMs: number; readonly done: number }[] = [];

  /** @returns the rate per minute; null while nothing is done */
  add(atMs: number, done: number): number | null {
    this.#samples.push({ atMs, done });
    while ((this.#samples[1]?.atMs ?? atMs) <= atMs - RATE_WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0];
    if (first === undefined || done <= first.done || atMs <= first.atMs) return null;
    return ((done - first.done) / (atMs - first.atMs)) * 60_000;
  }
}

export class Progress {
  readonly #stream: ProgressStream;
  readonly #clock: () => number;
  readonly #rate = new RateMeter();
  #shownAtMs: number;
  #isDrawn = false;

  constructor(stream: ProgressStream = process.stderr, clock: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#clock = clock;
    // A bar is drawn at once; the first plain line waits until there is progress to report.
    this.#shownAtMs = stream.isTTY ? Number.NEGATIVE_INFINITY : clock();
  }

  /** May be called at any rate; it writes only a few times per second. */
  update(state: Omit<ProgressState, 'perMinute'>): void {
    const now = this.#clock();
    const everyMs = this.#stream.isTTY ? REDRAW_MS : PLAIN_MS;
    if (now - this.#shownAtMs < everyMs) return;
    this.#shownAtMs = now;
    const withRate = { ...state, perMinute: this.#rate.add(now, state.done) };
    if (this.#stream.isTTY) {
      this.#stream.write(`${CLEAR_LINE}${renderBar(withRate, this.#stream.columns ?? 80)}`);
      this.#isDrawn = true;
    } else this.#stream.write(`  ${renderLine(withRate)}\n`);
  }

  /** Removes the bar. Call it before other output, and at the end. */
  clear(): void {
    if (!this.#isDrawn) return;
    this.#stream.write(CLEAR_LINE);
    this.#isDrawn = false;
    this.#shownAtMs = Number.NEGATIVE_INFINITY;
  }
}
