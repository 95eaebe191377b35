// Rules for injected faults: which calls fail, how often, and in which way. Rules are checked in the order in which
// they were added; the first match applies.

import type { Random } from '../seeded-random.ts';
import { GoogleError } from './google-error.ts';

export type FaultKind =
  /** An error response in Google's format. */
  | { kind: 'status'; status: number; reason?: string; message?: string; retryAfterSeconds?: number }
  /** The normal response, late. */
  | { kind: 'delay'; delayMs: number }
  /** The socket is destroyed before the response headers. */
  | { kind: 'reset' }
  /** The Content-Length of the whole response and half of its bytes, then the socket is destroyed. */
  | { kind: 'truncate' }
  /** 200 with an HTML page, as from a captive portal. */
  | { kind: 'notJson' }
  /** No response; the caller has to time out. */
  | { kind: 'hang' };

export type FaultRule = FaultKind & {
  /** `messages.get`, `history.list`, `token`, ..., or a prefix such as `messages.*`. Default: every call. */
  method?: string;
  /** Only calls for this message. */
  messageId?: string;
  /** Number of calls to which it applies. Default: unlimited. */
  times?: number;
  /** Number of matching calls that pass before the first fault. */
  skip?: number;
  /** From 0 to 1. Default: 1. */
  probability?: number;
};

interface ActiveRule {
  id: number;
  rule: FaultRule;
  timesLeft: number;
  skipLeft: number;
}

export class FaultRules {
  /** Number of injected faults by kind; a status counts as `status 503`. */
  countByKind: Record<string, number> = {};

  #rules: ActiveRule[] = [];
  #nextId = 1;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Returns the id of the rule, for `remove`. */
  add(rule: FaultRule): number {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#rules.push({
      id,
      rule,
      timesLeft: rule.times ?? Number.POSITIVE_INFINITY,
      skipLeft: rule.skip ?? 0,
    });
    return id;
  }

  remove(id: number): void {
    this.#rules = this.#rules.filter((active) => active.id !== id);
  }

  clear(): void {
    this.#rules = [];
  }

  list(): (FaultRule & { id: number; timesLeft: number | null })[] {
    return this.#rules.map(({ id, rule, timesLeft }) => ({
      ...rule,
      id,
      timesLeft: Number.isFinite(timesLeft) ? timesLeft : null,
    }));
  }

  /** Returns the fault to inject into this call and counts it as used; null means none. */
  take(method: string, messageId: string | undefined): FaultKind | null {
    for (const active of this.#rules) {
      if (!matches(active.rule, method, messageId)) continue;
      if (active.skipLeft > 0) {
        active.skipLeft -= 1;
        continue;
      }
      if (active.rule.probability !== undefined && this.#random() >= active.rule.probability) continue;
      active.timesLeft -= 1;
      if (active.timesLeft <= 0) this.remove(active.id);
      const name = active.rule.kind === 'status' ? `status ${active.rule.status}` : active.rule.kind;
      this.countByKind[name] = (this.countByKind[name] ?? 0) + 1;
      return active.rule;
    }
    return null;
  }
}

function matches(rule: FaultRule, method: string, messageId: string | undefined): boolean {
  if (rule.messageId !== undefined && rule.messageId !== messageId) return false;
  if (rule.method === undefined || rule.method === method) return true;
  return rule.method.endsWith('*') && method.startsWith(rule.method.slice(0, -1));
}

/** Gmail's usual reason and message for a status, for rules that set neither. */
const defaults: Readonly<Record<number, { reason: string; message: string }>> = {
  400: { reason: 'failedPrecondition', message: 'Precondition check failed.' },
  401: { reason: 'authError', message: 'Invalid Credentials' },
  403: { reason: 'rateLimitExceeded', message: 'Rate Limit Exceeded' },
  404: { reason: 'notFound', message: 'Requested entity was not found.' },
  429: { reason: 'rateLimitExceeded', message: 'Too many concurrent requests for user.' },
  500: { reason: 'backendError', message: 'Internal error encountered.' },
  503: { reason: 'backendError', message: 'The service is currently unavailable.' },
};

/** The error for a `status` fault. */
export function statusFault(fault: Extract<FaultKind, { kind: 'status' }>): GoogleError {
  const usual = defaults[fault.status] ?? { reason: 'backendError', message: 'Backend Error' };
  const reason = fault.reason ?? usual.reason;
  return new GoogleError({
    code: fault.status,
    reason,
    message: fault.message ?? usual.message,
    domain: fault.status === 403 && reason.endsWith('RateLimitExceeded') ? 'usageLimits' : 'global',
    retryAfterSeconds: fault.retryAfterSeconds,
  });
}
