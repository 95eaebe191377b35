/**
 * Keeps the overview current: every five seconds while the page is seen, less often while the server fails, at once
 * when the page is seen again or the network is back. One call at a time.
 */

import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { CONSOLE_API, get, type Problem } from './api.ts';
import { toProblem } from './notices.ts';

const EVERY_MS = 5_000;
const LONGEST_MS = 60_000;

export interface Watcher {
  readonly onOverview: (overview: OverviewJson) => void;
  /** @param nextMs until the next attempt */
  readonly onFailure: (problem: Problem, nextMs: number) => void;
}

export class Refresh {
  readonly #watcher: Watcher;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> | null = null;
  #failures = 0;

  constructor(watcher: Watcher) {
    this.#watcher = watcher;
    const lookAgain = () => void this.now();
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') lookAgain();
      else clearTimeout(this.#timer);
    });
    window.addEventListener('online', lookAgain);
  }

  /** Resolves when what is true now is shown: a call that was under way already is not enough. */
  async now(): Promise<void> {
    await this.#running;
    this.#running ??= this.#run();
    await this.#running;
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    let nextMs = EVERY_MS;
    try {
      const overview = await get<OverviewJson>(`${CONSOLE_API}/overview`);
      this.#failures = 0;
      this.#watcher.onOverview(overview);
    } catch (error) {
      this.#failures += 1;
      nextMs = Math.min(LONGEST_MS, EVERY_MS * 2 ** (this.#failures - 1));
      this.#watcher.onFailure(toProblem(error), nextMs);
    } finally {
      this.#running = null;
      // Seen again, it looks at once.
      if (document.visibilityState === 'visible') this.#timer = setTimeout(() => void this.now(), nextMs);
    }
  }
}
