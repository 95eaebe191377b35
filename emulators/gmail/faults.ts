// Faults that a test or an operator injects: which calls are hit, how often, and what goes wrong. Rules are
// asked in the order in which they were added; the first that applies is taken.

import { GoogleError } from './google-error.ts';
import type { Random } from './random.ts';

export type FaultKind =
  /** An error answer in Google's form. */
  | { kind: 'status'; status: number; reason?: string; message?: string; retryAfterSeconds?: number }
  /** The right answer, late. */
  | { kind: 'delay'; delayMs: number }
  /** The socket is destroyed before any header. */
  | { kind: 'reset' }
  /** Content-Length of the whole answer, half of its bytes, then the socket is destroyed. */
  | { kind: 'truncate' }
  /** 200 with an HTML page, as a captive portal or a tired front end gives it. */
  | { kind: 'notJson' }
  /** Never answers; the caller has to give up. */
  | { kind: 'hang' };

export type FaultRule = FaultKind & {
  /** `messages.get`, `history.list`, `token`, ...; `messages.*` for a family; every call unless given. */
  method?: string;
  /** Only calls about this message. */
  messageId?: string;
  /** How often it strikes; for ever unless given. */
  times?: number;
  /** Matching calls that pass before it strikes first. */
  skip?: number;
  /** From 0 to 1; always unless given. */
  probability?: number;
};

interface ActiveRule {
  id: number;
  rule: FaultRule;
  timesLeft: number;
  skipLeft: number;
}

export class Faults {
  /** Faults that struck, by kind; a status counts as `status 503`. */
  countByKind: Record<string, number> = {};

  #rules: ActiveRule[] = [];
  #nextId = 1;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Gives the rule's number, by which `remove` takes it out again. */
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

  /** The fault that strikes this call, counted and used up; null = none. */
  strike(method: string, messageId: string | undefined): FaultKind | null {
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

/** What Gmail says with a status when the rule names neither reason nor message. */
const usual: Readonly<Record<number, { reason: string; message: string }>> = {
  400: { reason: 'failedPrecondition', message: 'Precondition check failed.' },
  401: { reason: 'authError', message: 'Invalid Credentials' },
  403: { reason: 'rateLimitExceeded', message: 'Rate Limit Exceeded' },
  404: { reason: 'notFound', message: 'Requested entity was not found.' },
  429: { reason: 'rateLimitExceeded', message: 'Too many concurrent requests for user.' },
  500: { reason: 'backendError', message: 'Internal error encountered.' },
  503: { reason: 'backendError', message: 'The service is currently unavailable.' },
};

/** The error that a `status` fault answers with. */
export function statusFault(fault: Extract<FaultKind, { kind: 'status' }>): GoogleError {
  const words = usual[fault.status] ?? { reason: 'backendError', message: 'Backend Error' };
  const reason = fault.reason ?? words.reason;
  return new GoogleError({
    code: fault.status,
    reason,
    message: fault.message ?? words.message,
    domain: fault.status === 403 && reason.endsWith('RateLimitExceeded') ? 'usageLimits' : 'global',
    retryAfterSeconds: fault.retryAfterSeconds,
  });
}
