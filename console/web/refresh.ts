/**
 * Keeps the overview current: a visible page asks every two seconds, and a hidden one every minute, for its title. Data of a
 * visible page that is older than five seconds is not known; a timer that is independent of the requests then reports that there
 * is no answer.
 * The first load, and the return of a hidden page, wait for an answer as long as a request may take, because the server may
 * have to start. Invariant: at most one request is in progress.
 */

import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { CONSOLE_API, get, noResponseWithin, type Problem, READ_TIMEOUT_MS } from './api.ts';
import { toProblem } from './notices.ts';

const INTERVAL_MS = 2_000;
const MAX_RETRY_MS = 10_000;

interface Pace {
  readonly intervalMs: number;
  /** Older data is not known. */
  readonly maxAgeMs: number;
  /** A timer that is later than this was suspended, with its computer or its tab. */
  readonly suspendedMs: number;
}

/** Below five seconds, because the answer was on its way for some time, and the page needs time to show that it is old. */
const VISIBLE: Pace = { intervalMs: INTERVAL_MS, maxAgeMs: 4_500, suspendedMs: 2_000 };
/** Browsers run the timers of a hidden page once per minute. */
const HIDDEN: Pace = { intervalMs: 60_000, maxAgeMs: 150_000, suspendedMs: 120_000 };

export interface RefreshListener {
  readonly onOverview: (overview: OverviewJson) => void;
  /** The page returns with old data, and asks again. */
  readonly onReturn: () => void;
  /** The data is not known any more, or still not. @param retryMs time between the attempts */
  readonly onNoAnswer: (problem: Problem, retryMs: number) => void;
}

export class Refresh {
  readonly #listener: RefreshListener;
  #refreshTimer: ReturnType<typeof setTimeout> | undefined;
  #watchTimer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> | null = null;
  #hide = new AbortController();
  /** When the shown data arrived; 0 before the first answer. */
  #knownAtMs = 0;
  /** Until then, the page waits for an answer although its data is old. */
  #waitUntilMs = Date.now() + READ_TIMEOUT_MS;
  #failureCount = 0;
  #problem: Problem | null = null;

  constructor(listener: RefreshListener) {
    this.#listener = listener;
    document.addEventListener('visibilitychange', () => {
      if (isVisible()) this.#return();
      else this.#hidden();
    });
    window.addEventListener('online', () => void this.now());
    this.#watch();
  }

  /**
   * Resolves when an overview that was requested after this call is shown, or the request has failed. A request that was
   * already in progress may have missed the latest change.
   */
  async now(): Promise<void> {
    await this.#running;
    this.#running ??= this.#run();
    await this.#running;
  }

  async #run(): Promise<void> {
    clearTimeout(this.#refreshTimer);
    const sentAtMs = Date.now();
    const { signal } = this.#hide;
    let nextMs = INTERVAL_MS;
    let wasSuspended = false;
    try {
      const overview = await get<OverviewJson>(`${CONSOLE_API}/overview`, signal);
      this.#knownAtMs = Date.now();
      this.#waitUntilMs = 0;
      this.#failureCount = 0;
      this.#problem = null;
      this.#listener.onOverview(overview);
      nextMs = Math.max(0, sentAtMs + INTERVAL_MS - Date.now());
    } catch (error) {
      if (signal.aborted) return;
      // The request ended with its time limit, or was broken, while the computer was suspended.
      wasSuspended = Date.now() > sentAtMs + READ_TIMEOUT_MS + pace().suspendedMs;
      if (wasSuspended) return;
      this.#waitUntilMs = 0;
      this.#failureCount += 1;
      this.#problem = toProblem(error);
      nextMs = this.#retryMs();
    } finally {
      this.#running = null;
      if (wasSuspended) this.#return();
      else {
        this.#schedule(isVisible() ? nextMs : HIDDEN.intervalMs);
        this.#watch();
      }
    }
  }

  #schedule(ms: number): void {
    clearTimeout(this.#refreshTimer);
    this.#refreshTimer = setTimeout(() => void this.now(), ms);
  }

  /** Reports that there is no answer as soon as the shown data is too old. */
  #watch(): void {
    clearTimeout(this.#watchTimer);
    const { maxAgeMs, suspendedMs } = pace();
    const dueMs = Math.max(this.#knownAtMs + maxAgeMs, this.#waitUntilMs);
    if (dueMs <= Date.now()) {
      const waitedMs = this.#waitUntilMs > 0 ? READ_TIMEOUT_MS : 5_000;
      this.#listener.onNoAnswer(this.#problem ?? noResponseWithin(waitedMs), this.#retryMs());
      return;
    }
    this.#watchTimer = setTimeout(() => {
      if (Date.now() > dueMs + suspendedMs) this.#return();
      else this.#watch();
    }, dueMs - Date.now());
  }

  #retryMs(): number {
    return Math.min(MAX_RETRY_MS, INTERVAL_MS * 2 ** Math.max(0, this.#failureCount - 1));
  }

  #hidden(): void {
    // A browser may suspend the page, and its request then fails for no reason of the server.
    this.#hide.abort();
    this.#hide = new AbortController();
    this.#schedule(HIDDEN.intervalMs);
    this.#watch();
  }

  #return(): void {
    if (Date.now() > this.#knownAtMs + pace().maxAgeMs) {
      this.#waitUntilMs = Date.now() + READ_TIMEOUT_MS;
      this.#listener.onReturn();
    }
    this.#watch();
    void this.now();
  }
}

function pace(): Pace {
  return isVisible() ? VISIBLE : HIDDEN;
}

function isVisible(): boolean {
  return document.visibilityState === 'visible';
}
