// Log of every call, for tests and for the control API. It contains no bodies and no tokens.

export interface Call {
  /** Epoch milliseconds at which the call arrived. */
  atMs: number;
  /** `messages.get`, ..., `token`; `unknown` for a path that does not exist. */
  method: string;
  messageId?: string;
  /** Charged quota units; 0 for a rejected call. */
  units: number;
  /** HTTP status; 0 when the call got no response. */
  status: number;
  /** Kind of the injected fault. */
  fault?: string;
}

/** Limits memory in long runs: at this many calls, the older half is dropped. */
const maxCalls = 100_000;

export class CallLog {
  calls: Call[] = [];
  countByMethod: Record<string, number> = {};
  countByStatus: Record<string, number> = {};

  add(call: Call): void {
    if (this.calls.length >= maxCalls) this.calls = this.calls.slice(maxCalls / 2);
    this.calls.push(call);
    this.countByMethod[call.method] = (this.countByMethod[call.method] ?? 0) + 1;
    this.countByStatus[call.status] = (this.countByStatus[call.status] ?? 0) + 1;
  }

  reset(): void {
    this.calls = [];
    this.countByMethod = {};
    this.countByStatus = {};
  }
}
