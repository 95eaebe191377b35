// Gmail's quota: units per method, a budget per minute, and a limit on calls in flight. Units as of 1 May 2026:
// https://developers.google.com/workspace/gmail/api/reference/quota

import { GoogleError } from './google-error.ts';
import type { Clock } from './timers.ts';

/** Units per call. `stop` is from the older table; the newer one omits it. */
export const unitsPerCall = {
  getProfile: 1,
  'labels.list': 1,
  'labels.get': 1,
  'history.list': 2,
  'messages.list': 5,
  'messages.modify': 5,
  'messages.get': 20,
  'messages.attachments.get': 20,
  watch: 100,
  stop: 50,
} as const;

export type GmailMethod = keyof typeof unitsPerCall;

const windowMs = 60_000;

/**
 * How the budget per minute is counted. Gmail does not document it. It is counted over the last sixty seconds (`window`), per
 * calendar minute (`calendar`), or as a token bucket that refills continuously (`refill`).
 */
export type BudgetKind = 'window' | 'calendar' | 'refill';

interface QuotaOptions {
  clock: Clock;
  /** Null means unlimited. */
  unitsPerMinute: number | null;
  /** Null means unlimited. */
  maxConcurrent: number | null;
  kind: BudgetKind;
}

export class EmulatedQuota {
  /** Null means unlimited. This and the next two may be changed at any time. */
  unitsPerMinute: number | null;
  maxConcurrent: number | null;
  kind: BudgetKind;
  /** The error for an exhausted budget. Gmail has used each of these. */
  refusal: '403 rateLimitExceeded' | '403 userRateLimitExceeded' | '429 rateLimitExceeded' =
    '403 rateLimitExceeded';
  /** Units spent since the start or the last reset, in total and by method. Rejected calls cost nothing. */
  spentUnits = 0;
  spentUnitsByMethod: Partial<Record<GmailMethod, number>> = {};
  refusedForUnits = 0;
  refusedForConcurrency = 0;
  inFlight = 0;
  /** Highest number of concurrent calls. */
  peakInFlight = 0;

  readonly #clock: Clock;
  #window: { atMs: number; units: number }[] = [];
  #windowUnits = 0;
  /** Units that were spent and not yet refilled at `atMs`. */
  #unrefilled = { units: 0, atMs: 0 };

  constructor(options: QuotaOptions) {
    this.#clock = options.clock;
    this.unitsPerMinute = options.unitsPerMinute;
    this.maxConcurrent = options.maxConcurrent;
    this.kind = options.kind;
  }

  /** Units spent in the last sixty seconds. */
  windowUnits(): number {
    const startMs = this.#clock() - windowMs;
    let expired = 0;
    for (const entry of this.#window) {
      if (entry.atMs > startMs) break;
      this.#windowUnits -= entry.units;
      expired += 1;
    }
    if (expired > 0) this.#window = this.#window.slice(expired);
    return this.#windowUnits;
  }

  /**
   * Admits a call and charges it. The caller must call the returned function exactly once, when the call ends.
   * @throws {GoogleError} 403 or 429 when the budget or the number of calls in flight is exceeded
   */
  admit(method: GmailMethod): () => void {
    const units = unitsPerCall[method];
    if (this.maxConcurrent !== null && this.inFlight >= this.maxConcurrent) {
      this.refusedForConcurrency += 1;
      throw tooManyConcurrent();
    }
    // Computed without a limit too: `windowUnits` drops expired entries.
    const countedUnits = {
      window: this.windowUnits(),
      calendar: this.#calendarUnits(),
      refill: this.#unrefilledUnits(),
    }[this.kind];
    if (this.unitsPerMinute !== null && countedUnits + units > this.unitsPerMinute) {
      this.refusedForUnits += 1;
      throw quotaExceeded(this.refusal);
    }
    this.#unrefilled = { units: this.#unrefilledUnits() + units, atMs: this.#clock() };
    this.#window.push({ atMs: this.#clock(), units });
    this.#windowUnits += units;
    this.spentUnits += units;
    this.spentUnitsByMethod[method] = (this.spentUnitsByMethod[method] ?? 0) + units;
    this.inFlight += 1;
    this.peakInFlight = Math.max(this.peakInFlight, this.inFlight);
    return () => {
      this.inFlight -= 1;
    };
  }

  #calendarUnits(): number {
    const startMs = Math.floor(this.#clock() / windowMs) * windowMs;
    return this.#window.reduce((sum, { atMs, units }) => (atMs < startMs ? sum : sum + units), 0);
  }

  #unrefilledUnits(): number {
    const refilled = ((this.#clock() - this.#unrefilled.atMs) * (this.unitsPerMinute ?? 0)) / windowMs;
    return Math.max(0, this.#unrefilled.units - refilled);
  }

  /** Resets the counters. The current budget window stays charged. */
  resetCounters(): void {
    this.spentUnits = 0;
    this.spentUnitsByMethod = {};
    this.refusedForUnits = 0;
    this.refusedForConcurrency = 0;
    this.peakInFlight = this.inFlight;
  }
}

function quotaExceeded(refusal: EmulatedQuota['refusal']): GoogleError {
  if (refusal === '429 rateLimitExceeded') {
    const message = 'Resource has been exhausted (e.g. check quota).';
    return new GoogleError({ code: 429, reason: 'rateLimitExceeded', message });
  }
  return new GoogleError({
    code: 403,
    reason: refusal === '403 rateLimitExceeded' ? 'rateLimitExceeded' : 'userRateLimitExceeded',
    domain: 'usageLimits',
    message:
      "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service 'gmail.googleapis.com' for consumer 'project_number:100000000000'.",
  });
}

function tooManyConcurrent(): GoogleError {
  return new GoogleError({
    code: 429,
    reason: 'rateLimitExceeded',
    message: 'Too many concurrent requests for user.',
  });
}
