// Writing an answer with the fault that struck its call, or as it is.

import { type Answer, htmlAnswer, jsonAnswer } from './answer.ts';
import type { EmulatedGmail } from './emulated-gmail.ts';
import { type FaultKind, statusFault } from './faults.ts';
import type { GoogleError } from './google-error.ts';
import { type Exchange, ended, writeAnswer, writeTruncated } from './http-exchange.ts';
import { pause } from './timers.ts';

/** Whose form an injected status has: the token endpoint's errors look different. */
type ErrorForm = 'gmail' | 'oauth';

/**
 * Writes the answer as the fault wants it.
 * @param note takes the status that the caller will see, 0 for none: before it is written, so that who has the answer
 *   finds it counted
 * @param answer asked only when the call gets through, so that a refused modify changes nothing
 */
export async function strikeFault(
  gmail: EmulatedGmail,
  exchange: Exchange,
  fault: FaultKind | null,
  answer: () => Answer,
  form: ErrorForm,
  note: (status: number) => void,
): Promise<void> {
  switch (fault?.kind) {
    case 'reset':
      note(0);
      exchange.response.destroy();
      return;
    case 'hang':
      note(0);
      await ended(exchange);
      return;
    case 'truncate': {
      const whole = answer();
      note(whole.status);
      await writeTruncated(exchange, whole);
      return;
    }
    case 'notJson':
      note(200);
      await writeAnswer(exchange, htmlAnswer(200, '<!DOCTYPE html><title>Sign in</title><p>Welcome.\n'));
      return;
    case 'status': {
      note(fault.status);
      await writeAnswer(exchange, statusAnswer(fault, form));
      return;
    }
    case 'delay':
      await pause(gmail.timers, fault.delayMs);
  }
  const ready = answer();
  note(ready.status);
  await writeAnswer(exchange, ready);
}

function statusAnswer(fault: Extract<FaultKind, { kind: 'status' }>, form: ErrorForm): Answer {
  const error = statusFault(fault);
  if (form === 'gmail') return errorAnswer(error);
  const body = { error: fault.reason ?? 'internal_failure', error_description: error.message };
  return jsonAnswer(fault.status, body, retryAfter(error));
}

/** An error in Google's form, with Retry-After when the rule names it. */
export function errorAnswer(error: GoogleError): Answer {
  return jsonAnswer(error.code, error.body, retryAfter(error));
}

function retryAfter(error: GoogleError): Record<string, string> {
  return error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) };
}
