/**
 * How far a long command is: a bar that stays in its line on a terminal, a plain line every few seconds elsewhere. It
 * goes to standard error, so that standard output holds results alone. How it looks is a pure function.
 */

export interface ProgressState {
  readonly done: number;
  /** Null while it is not known yet. */
  readonly total: number | null;
  /** `emails` */
  readonly noun: string;
  /** Null before there is anything to tell it from. */
  readonly perMinute: number | null;
  /** Faster it cannot go for long: a quota, which lets the first minute's work pass at once. */
  readonly mostPerMinute?: number;
  /** What else is to be said, at the end of the line: units, for instance. */
  readonly extra?: string;
}

/** Where it goes; `process.stderr` has this form. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const BAR_CELLS = 24;
const REDRAW_MS = 100;
const PLAIN_MS = 5_000;
/** The rate is that of the last while: Gmail's quota lets work go in bursts of a minute. */
const RATE_WINDOW_MS = 120_000;
const CLEAR_LINE = '\r\u001b[2K';

/** @param columns the line is cut there: one that wraps could not be drawn over */
export function renderBar(state: ProgressState, columns: number): string {
  const share = shareOf(state);
  const filled = share === null ? 0 : Math.floor(share * BAR_CELLS);
  const bar = share === null ? '' : `[${'#'.repeat(filled)}${'-'.repeat(BAR_CELLS - filled)}] `;
  return `${bar}${renderLine(state)}`.slice(0, Math.max(0, columns - 1));
}

export function renderLine(state: ProgressState): string {
  const { done, total, noun, extra } = state;
  const perMinute =
    state.perMinute === null ? null : Math.min(state.perMinute, state.mostPerMinute ?? Infinity);
  const share = shareOf(state);
  const parts = [
    total === null
      ? `${figure(done)} ${noun}`
      : `${figure(done)} of ${figure(total)} ${noun}${share === null ? '' : ` (${Math.floor(share * 100)} %)`}`,
  ];
  if (perMinute !== null) parts.push(`${figure(Math.round(perMinute))} a minute`);
  if (total !== null && total > done && perMinute !== null && perMinute > 0)
    parts.push(`${duration(((total - done) / perMinute) * 60)} left`);
  if (extra) parts.push(extra);
  return parts.join(', ');
}

/** `45 s`, `12 min`, `3 h 20 min`: rounded up, nobody waits for a second less than was said. */
export function duration(seconds: number): string {
  if (seconds <= 90) return `${Math.max(1, Math.ceil(seconds))} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h${minutes % 60 === 0 ? '' : ` ${minutes % 60} min`}`;
}

function shareOf({ done, total }: ProgressState): number | null {
  return total === null || total === 0 ? null : Math.min(1, done / total);
}

function figure(count: number): string {
  return count.toLocaleString('en');
}

/** How fast it goes, of the last two minutes. */
export class Pace {
  readonly #samples: { readonly atMs: number; readonly done: number }[] = [];

  /** @returns a minute; null before anything is done */
  note(atMs: number, done: number): number | null {
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
  readonly #pace = new Pace();
  #shownAtMs: number;
  #isDrawn = false;

  constructor(stream: ProgressStream = process.stderr, clock: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#clock = clock;
    // A line at once would say nothing; a bar is drawn at once.
    this.#shownAtMs = stream.isTTY ? Number.NEGATIVE_INFINITY : clock();
  }

  /** Call it as often as there is something new: it is shown no more often than a person can read. */
  update(state: Omit<ProgressState, 'perMinute'>): void {
    const now = this.#clock();
    const everyMs = this.#stream.isTTY ? REDRAW_MS : PLAIN_MS;
    if (now - this.#shownAtMs < everyMs) return;
    this.#shownAtMs = now;
    const whole = { ...state, perMinute: this.#pace.note(now, state.done) };
    if (this.#stream.isTTY) {
      this.#stream.write(`${CLEAR_LINE}${renderBar(whole, this.#stream.columns ?? 80)}`);
      this.#isDrawn = true;
    } else this.#stream.write(`  ${renderLine(whole)}\n`);
  }

  /** Takes the bar away: before a line is said, and at the end. */
  clear(): void {
    if (!this.#isDrawn) return;
    this.#stream.write(CLEAR_LINE);
    this.#isDrawn = false;
    this.#shownAtMs = Number.NEGATIVE_INFINITY;
  }
}
