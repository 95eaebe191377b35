// Every call that came in, as a test or an operator wants to see it afterwards: no bodies, no tokens.

export interface Call {
  /** Epoch milliseconds at which the call arrived. */
  atMs: number;
  /** `messages.get`, ..., `token`; `unknown` for a path that Gmail does not have. */
  method: string;
  messageId?: string;
  /** Charged quota units; 0 for a refused call. */
  units: number;
  /** HTTP status; 0 when the socket was destroyed or left hanging. */
  status: number;
  /** The fault that struck. */
  fault?: string;
}

/** Older calls are forgotten beyond this many: a long demonstration must not fill the memory. */
const keptCalls = 100_000;

export class CallLog {
  calls: Call[] = [];
  countByMethod: Record<string, number> = {};
  countByStatus: Record<string, number> = {};

  add(call: Call): void {
    if (this.calls.length >= keptCalls) this.calls = this.calls.slice(keptCalls / 2);
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
