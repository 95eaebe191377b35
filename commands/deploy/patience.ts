/**
 * Asking again what may pass by itself: a grant, an API or an instance that is minutes old. Called by who asks a deployed
 * function or Google. What must stay true: a token goes over https, or to this machine.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { DeployError } from './deploy-error.ts';

const FIRST_WAIT_MS = 500;

export interface Patience<Answer> {
  /** For how long; 0: once. */
  readonly seconds: number;
  readonly longestWaitMs: number;
  readonly signal: AbortSignal;
  readonly mayPass: (answer: Answer) => boolean;
  /** Before each wait. */
  readonly onWait?: (answer: Answer) => void;
}

/** @returns the first answer that does not pass by itself, or the last one in time. @throws {AbortError} */
export async function patiently<Answer>(
  ask: () => Promise<Answer>,
  { seconds, longestWaitMs, signal, mayPass, onWait }: Patience<Answer>,
): Promise<Answer> {
  const giveUpAt = performance.now() + seconds * 1_000;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(longestWaitMs, waitMs * 2)) {
    const answer = await ask();
    if (!mayPass(answer) || performance.now() + waitMs > giveUpAt) return answer;
    onWait?.(answer);
    await delay(waitMs, undefined, { signal });
  }
}

/** @throws {DeployError} when somebody on the way could read a token that goes there */
export function assertTokenMayGo({ protocol, hostname }: URL, shown: string, remediation: string): void {
  if (protocol === 'https:' || hostname === '127.0.0.1') return;
  throw new DeployError(`${shown} is not https, and gets no token`, remediation);
}
