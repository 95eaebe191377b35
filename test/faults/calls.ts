/** Sends requests to the functions, as Cloud Scheduler, Pub/Sub and operators do, and records unexpected responses. */
import type { Target } from '../../functions/runtime/targets.ts';
import type { Processes } from './processes.ts';

/** Longer than the largest run budget (8 s) plus the longest time that a process is frozen. */
const RESPONSE_TIMEOUT_MS = 25_000;
/** Allowed during faults: success, a conflict that an operator must resolve, an upstream error, unavailable. */
const EXPECTED = new Set([200, 204, 409, 502, 503]);

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests read any field
  readonly json: any;
}

export class Calls {
  readonly violations: string[] = [];
  /** Failed calls of `start` and `stop`. After one, flag and scheduler job may disagree until the next call. */
  failedControlCount = 0;
  readonly #processes: Processes;
  readonly #inFlight = new Set<Promise<unknown>>();
  readonly #control = new Set<Promise<unknown>>();

  constructor(processes: Processes) {
    this.#processes = processes;
  }

  /** @returns null if no process was available, or if it ended before it responded */
  async call(target: Target, body?: unknown, query = ''): Promise<Answer | null> {
    const sending = this.#send(target, body, query).finally(() => this.#inFlight.delete(sending));
    this.#inFlight.add(sending);
    if (target !== 'start' && target !== 'stop') return await sending;
    const controlling = sending
      .then((answer) => {
        if (answer?.status !== 200) this.failedControlCount += 1;
      })
      .finally(() => this.#control.delete(controlling));
    this.#control.add(controlling);
    return await sending;
  }

  /** Resolves when no call of `start` or `stop` is in flight. */
  async whenControlIdle(): Promise<void> {
    while (this.#control.size > 0) await Promise.all(this.#control);
  }

  /** Resolves when no call is in flight. */
  async whenIdle(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }

  async #send(target: Target, body: unknown, query: string): Promise<Answer | null> {
    const instance = this.#processes.next(target);
    if (instance === null) return null;
    let status = 0;
    let text = '';
    try {
      const response = await fetch(`${instance.process.url}${query}`, {
        method: target === 'status' ? 'GET' : 'POST',
        signal: AbortSignal.timeout(RESPONSE_TIMEOUT_MS),
        ...(body === undefined
          ? {}
          : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      status = response.status;
      text = await response.text();
    } catch (error) {
      if (error instanceof Error && error.name === 'TimeoutError') {
        this.violations.push(`${target} did not respond within ${RESPONSE_TIMEOUT_MS} ms`);
      }
      return null;
    }
    return this.#read(target, status, text);
  }

  #read(target: Target, status: number, text: string): Answer | null {
    // The framework's response to requests in flight when the platform ends the process.
    if (status === 500 && text === 'Received SIGTERM') return null;
    if (!EXPECTED.has(status)) this.violations.push(`${target} answered ${status}: ${text.slice(0, 300)}`);
    try {
      return { status, json: text === '' ? null : JSON.parse(text) };
    } catch {
      this.violations.push(`${target} answered ${status} without JSON: ${text.slice(0, 300)}`);
      return { status, json: null };
    }
  }
}
