/** Requests to the functions, as scheduler, Pub/Sub and operator send them; answers that must not occur are kept. */
import type { Target } from '../../functions/runtime/targets.ts';
import type { Processes } from './processes.ts';

/** No invocation may take longer than its budget (8 s at most here) and what a frozen process adds. */
const ANSWER_MS = 25_000;
/** With what the functions may answer while things are wrong: done, a person has to act, refused, later. */
const EXPECTED = new Set([200, 204, 409, 502, 503]);

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever was answered
  readonly json: any;
}

export class Calls {
  readonly defects: string[] = [];
  /** Calls of `start` and `stop` that did not succeed: flag and scheduler job may disagree until the next one. */
  failedControlCount = 0;
  readonly #processes: Processes;
  readonly #underway = new Set<Promise<unknown>>();
  readonly #control = new Set<Promise<unknown>>();

  constructor(processes: Processes) {
    this.#processes = processes;
  }

  /** @returns null when there was no process, or when it went away meanwhile */
  async call(target: Target, body?: unknown, query = ''): Promise<Answer | null> {
    const asking = this.#ask(target, body, query).finally(() => this.#underway.delete(asking));
    this.#underway.add(asking);
    if (target !== 'start' && target !== 'stop') return await asking;
    const controlling = asking
      .then((answer) => {
        if (answer?.status !== 200) this.failedControlCount += 1;
      })
      .finally(() => this.#control.delete(controlling));
    this.#control.add(controlling);
    return await asking;
  }

  /** Resolves when no call of `start` or `stop` is underway. */
  async controlSettled(): Promise<void> {
    while (this.#control.size > 0) await Promise.all(this.#control);
  }

  /** Resolves when none is underway. */
  async settled(): Promise<void> {
    while (this.#underway.size > 0) await Promise.all(this.#underway);
  }

  async #ask(target: Target, body: unknown, query: string): Promise<Answer | null> {
    const member = this.#processes.next(target);
    if (member === null) return null;
    let status = 0;
    let text = '';
    try {
      const response = await fetch(`${member.process.url}${query}`, {
        method: target === 'status' ? 'GET' : 'POST',
        signal: AbortSignal.timeout(ANSWER_MS),
        ...(body === undefined
          ? {}
          : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      status = response.status;
      text = await response.text();
    } catch (error) {
      if (error instanceof Error && error.name === 'TimeoutError') {
        this.defects.push(`${target} did not answer within ${ANSWER_MS} ms`);
      }
      return null;
    }
    return this.#read(target, status, text);
  }

  #read(target: Target, status: number, text: string): Answer | null {
    // What the framework says for requests underway when the platform ends the process.
    if (status === 500 && text === 'Received SIGTERM') return null;
    if (!EXPECTED.has(status)) this.defects.push(`${target} answered ${status}: ${text.slice(0, 300)}`);
    try {
      return { status, json: text === '' ? null : JSON.parse(text) };
    } catch {
      this.defects.push(`${target} answered ${status} without JSON: ${text.slice(0, 300)}`);
      return { status, json: null };
    }
  }
}
