/**
 * A body that is no JSON is refused by the framework before any function sees it, and printed in full with the fault:
 * what somebody searches for, or what a mail says. Called once a process. What must stay true: no body reaches the log.
 */
import type { Log } from '../../shared/log.ts';

export function redactBodyErrors(log: Log): void {
  const { console } = globalThis;
  const print = console.error;
  console.error = (...said: unknown[]) => {
    const [fault] = said;
    if (!(fault instanceof Error && 'body' in fault)) return print(...said);
    log.write('WARNING', 'request_failed', 'The body of a request could not be read', {
      error_code: 'bad_request',
      status: 400,
    });
  };
}
