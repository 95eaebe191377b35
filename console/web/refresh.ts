/**
 * Keeps the overview current while the page is visible. It refreshes every five seconds, and less often while the server
 * fails. It refreshes at once when the page becomes visible or the network returns.
 * Invariant: at most one request is in progress.
 */

import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { CONSOLE_API, get, type Problem } from './api.ts';
import { toProblem } from './notices.ts';

const INTERVAL_MS = 5_000;
const MAX_RETRY_MS = 60_000;

export interface RefreshListener {
  readonly onOverview: (overview: OverviewJson) => void;
  /** @param retryMs time until the next attempt */
  readonly onFailure: (problem: Problem, retryMs: number) => void;
}

export class Refresh {
  readonly #listener: RefreshListener;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> | null = null;
  #failureCount = 0;

  constructor(listener: RefreshListener) {
    this.#listener = listener;
    const refreshNow = () => void this.now();
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') refreshNow();
      else clearTimeout(this.#timer);
    });
    window.addEventListener('online', refreshNow);
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
    clearTimeout(this.#timer);
    let nextMs = INTERVAL_MS;
    try {
      const overview = await get<OverviewJson>(`${CONSOLE_API}/overview`);
      this.#failureCount = 0;
      this.#listener.onOverview(overview);
    } catch (error) {
      this.#failureCount += 1;
      nextMs = Math.min(MAX_RETRY_MS, INTERVAL_MS * 2 ** (this.#failureCount - 1));
      this.#listener.onFailure(toProblem(error), nextMs);
    } finally {
      this.#running = null;
      // A hidden page sets no timer: it refreshes when it becomes visible.
      if (document.visibilityState === 'visible') this.#timer = setTimeout(() => void this.now(), nextMs);
    }
  }
}
